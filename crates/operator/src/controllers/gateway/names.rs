//! How everything of a gateway is called.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use klamm_crd::Gateway;
use kube::{Resource as _, ResourceExt as _};

use crate::apply::{FIELD_MANAGER, LABEL_MANAGED_BY};

/// The label of everything of a gateway: its name.
pub(super) const LABEL_GATEWAY: &str = "klamm.dev/gateway";

/// Selects what this operator made for gateways.
pub(super) fn managed() -> String {
    format!("{LABEL_GATEWAY},{}", crate::apply::managed())
}

/// The name of each of its objects, which are of different kinds.
pub(super) fn name(gateway: &Gateway) -> String {
    format!("{}-gateway", gateway.name_any())
}

/// Its namespace. The API server gives every gateway one.
pub(super) fn namespace(gateway: &Gateway) -> String {
    gateway.namespace().unwrap_or_default()
}

/// The labels of everything of it. Not the cluster's: a service of Kafka must not find gateways.
pub(super) fn labels(gateway: &Gateway) -> BTreeMap<String, String> {
    let name = gateway.name_any();
    let labels = [
        ("app.kubernetes.io/name", "klamm"),
        ("app.kubernetes.io/component", "gateway"),
        ("app.kubernetes.io/instance", &name),
        (LABEL_MANAGED_BY, FIELD_MANAGER),
        ("app.kubernetes.io/part-of", "klamm"),
        (LABEL_GATEWAY, &name),
    ];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Selects its pods; as text for the `scale` subresource.
pub(super) fn selector(gateway: &Gateway) -> (LabelSelector, String) {
    let name = gateway.name_any();
    let text = format!("{LABEL_GATEWAY}={name}");
    let labels = BTreeMap::from([(LABEL_GATEWAY.to_owned(), name)]);
    (LabelSelector { match_labels: Some(labels), ..Default::default() }, text)
}

/// The head of each of its objects: they go when it goes.
pub(super) fn metadata(gateway: &Gateway) -> ObjectMeta {
    ObjectMeta {
        name: Some(name(gateway)),
        namespace: gateway.namespace(),
        labels: Some(labels(gateway)),
        owner_references: gateway.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..Default::default()
    }
}
