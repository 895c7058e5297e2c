//! The pods, and how they are replaced.

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{PodTemplateSpec, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use klamm_crd::Gateway;

use super::{Surroundings, names, pod};
use crate::controllers::gateway::validate::Validated;

/// The annotation that makes new pods when what they read at their start has changed.
const REVISION: &str = "klamm.dev/settings";

pub(super) fn deployment(
    gateway: &Gateway,
    validated: &Validated,
    surroundings: &Surroundings<'_>,
    revision: &str,
) -> Deployment {
    let template = PodTemplateSpec {
        metadata: Some(pod_metadata(gateway, revision)),
        spec: Some(pod::spec(gateway, validated, surroundings)),
    };
    let spec = DeploymentSpec {
        replicas: i32::try_from(gateway.spec.replicas).ok(),
        selector: names::selector(gateway).0,
        strategy: Some(one_more_first()),
        revision_history_limit: Some(2),
        template,
        ..Default::default()
    };
    Deployment { metadata: names::metadata(gateway), spec: Some(spec), ..Default::default() }
}

/// No pod goes before its replacement takes messages.
fn one_more_first() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".into()),
        rolling_update: Some(RollingUpdateDeployment {
            max_unavailable: Some(IntOrString::Int(0)),
            max_surge: Some(IntOrString::String("25%".into())),
        }),
    }
}

/// What is ours wins over what is added: selectors rely on it.
fn pod_metadata(gateway: &Gateway, revision: &str) -> ObjectMeta {
    let added = &gateway.spec.template;
    let mut labels = added.labels.clone();
    labels.extend(names::labels(gateway));
    let mut annotations = added.annotations.clone();
    annotations.insert(REVISION.to_owned(), revision.to_owned());
    ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..Default::default() }
}

/// Over zones and machines, as far as it goes; pods of one revision among themselves.
pub(super) fn spread(gateway: &Gateway) -> Vec<TopologySpreadConstraint> {
    let over = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(names::selector(gateway).0),
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..Default::default()
    };
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(over).into()
}
