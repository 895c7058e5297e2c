//! Reads a KafkaCluster and every object that matters for what becomes of it, from the API server and no cache.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use klamm_crd::{KafkaCluster, KafkaNodePool};
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;

use super::reconcile::ReconcileError;
use super::{Dereferenced, Names, names};
use crate::context::Context;

/// None if there is no such cluster any more.
///
/// # Errors
/// Of the API server.
pub async fn dereference(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<Dereferenced>, ReconcileError> {
    let client = &context.client;
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), namespace);
    let Some(cluster) = clusters.get_opt(name).await? else { return Ok(None) };
    let pools: Api<DeserializeGuard<KafkaNodePool>> = Api::namespaced(client.clone(), namespace);
    let pools = pools.list(&ListParams::default()).await?.items;
    // It may be one of this cluster: without it nodes would be taken for nodes that leave.
    let read: Result<Vec<KafkaNodePool>, ReconcileError> = pools.into_iter().map(read).collect();
    let mut pools = read?;
    pools.retain(|pool| pool.spec.cluster == name && pool.metadata.deletion_timestamp.is_none());
    let labels = ListParams::default().labels(&format!("{}={name}", names::LABEL_CLUSTER));
    let named = Names { cluster: name.to_owned(), namespace: namespace.to_owned() };
    let kafka =
        labels.clone().labels(&format!("{}={name},{}", names::LABEL_CLUSTER, names::LABEL_NODE_ID));
    Ok(Some(Dereferenced {
        pools,
        stateful_sets: Api::namespaced(client.clone(), namespace).list(&kafka).await?.items,
        pods: Api::namespaced(client.clone(), namespace).list(&kafka).await?.items,
        claims: Api::namespaced(client.clone(), namespace).list(&labels).await?.items,
        secrets: secrets(context, namespace, &Dereferenced::secrets_named(&named, &cluster))
            .await?,
        openshift: context.openshift,
        agent_image: context.settings.agent_image.clone(),
        namespace: namespace.to_owned(),
        cluster,
    }))
}

fn read(pool: DeserializeGuard<KafkaNodePool>) -> Result<KafkaNodePool, ReconcileError> {
    pool.0.map_err(|invalid| {
        let name = invalid.metadata.name.unwrap_or_default();
        let error = invalid.error;
        ReconcileError::Unreadable(format!("KafkaNodePool {name} cannot be read: {error}"))
    })
}

/// Which of these Secrets are there, and which entries they have.
async fn secrets(
    context: &Context,
    namespace: &str,
    wanted: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, kube::Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let mut there = BTreeMap::new();
    for name in wanted {
        if let Some(secret) = api.get_opt(name).await? {
            let keys = secret.data.into_iter().flatten().map(|(key, _)| key);
            there.insert(name.clone(), keys.collect());
        }
    }
    Ok(there)
}
