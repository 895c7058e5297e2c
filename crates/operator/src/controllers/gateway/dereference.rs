//! Everything a gateway names, as it is.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use klamm_crd::{Gateway, KafkaCluster, KafkaUser};
use kube::{Api, ResourceExt as _};

use super::names;
use super::validate::{choose, trust_secret};
use crate::context::Context;
use crate::controllers::drive::Failed;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) cluster: Option<KafkaCluster>,
    /// The labels of the gateway's namespace, if a claim of the cluster asks for them.
    pub(super) namespace_labels: BTreeMap<String, String>,
    pub(super) user: Option<KafkaUser>,
    /// The user's Secret.
    pub(super) login: Option<Secret>,
    /// The Secret with the authority of the listener's certificate.
    pub(super) trust: Option<Secret>,
}

/// Reads it all; what is not there is none.
pub(super) async fn dereference(gateway: &Gateway, context: &Context) -> Result<Found, Failed> {
    let client = &context.client;
    let own = names::namespace(gateway);
    let home = gateway.spec.cluster.namespace.clone().unwrap_or_else(|| own.clone());
    let clusters = Api::<KafkaCluster>::namespaced(client.clone(), &home);
    let mut found =
        Found { cluster: clusters.get_opt(&gateway.spec.cluster.name).await?, ..Found::default() };
    let Some(cluster) = &found.cluster else { return Ok(found) };
    let by_label = cluster.spec.claims.iter().any(|claim| claim.namespace_selector.is_some());
    if home != own && by_label {
        let namespace = Api::<Namespace>::all(client.clone()).get_opt(&own).await?;
        found.namespace_labels = namespace.map(|it| it.labels().clone()).unwrap_or_default();
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), &own);
    if let Some(name) = &gateway.spec.user {
        found.user = Api::<KafkaUser>::namespaced(client.clone(), &own).get_opt(name).await?;
        let status = found.user.as_ref().and_then(|user| user.status.as_ref());
        if let Some(secret) = status.and_then(|status| status.secret.as_ref()) {
            found.login = secrets.get_opt(secret).await?;
        }
    }
    if let Ok(listener) = choose(gateway, cluster, found.user.as_ref())
        && let Some(secret) = trust_secret(cluster, &listener)
    {
        found.trust = Api::<Secret>::namespaced(client.clone(), &home).get_opt(&secret).await?;
    }
    Ok(found)
}
