//! Writes what a pass made: objects, claims, status.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::{
    Conditions as _, KafkaCluster, KafkaClusterStatus, KafkaNodePool, KafkaNodePoolStatus,
};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PropagationPolicy};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::setup::{Verdict, record};
use super::{Dereferenced, Invalid, Manifests, Validated, claims, names};
use crate::apply::FIELD_MANAGER;
use crate::context::Context;

/// Applies everything but StatefulSets, and deletes what is not there any more.
///
/// # Errors
/// Of the API server.
pub async fn manifests(
    context: &Context,
    there: &Dereferenced,
    manifests: &Manifests,
) -> Result<(), kube::Error> {
    let applier = &context.applier;
    applier.apply(&manifests.service_account).await?;
    applier.apply(&manifests.network_policy).await?;
    for service in &manifests.services {
        applier.apply(service).await?;
    }
    for budget in &manifests.budgets {
        applier.apply(budget).await?;
    }
    // Only what this operator made: somebody's own Service may have the cluster's label.
    let (cluster, managed) = (there.cluster.name_any(), crate::apply::managed());
    let labels = format!("{}={cluster},{managed}", names::LABEL_CLUSTER);
    let wanted = |names: &mut dyn Iterator<Item = String>| names.collect::<BTreeSet<_>>();
    let services = wanted(&mut manifests.services.iter().map(ResourceExt::name_any));
    applier.delete_orphans::<Service>(&there.namespace, &labels, &services).await?;
    let budgets = wanted(&mut manifests.budgets.iter().map(ResourceExt::name_any));
    applier.delete_orphans::<PodDisruptionBudget>(&there.namespace, &labels, &budgets).await
}

/// Applies a node's StatefulSet if it is to be changed.
///
/// # Errors
/// Of the API server.
pub async fn stateful_set(
    context: &Context,
    live: Option<&StatefulSet>,
    verdict: &Verdict,
) -> Result<(), kube::Error> {
    let set = match verdict {
        Verdict::Keep => return Ok(()),
        Verdict::Repair(set) => return repair(context, live, set).await,
        Verdict::Apply(set) => set,
        Verdict::Recreate(set) => {
            // Its pod and disks stay; the new one adopts them.
            let namespace = set.namespace().unwrap_or_default();
            let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), &namespace);
            let orphan = DeleteParams {
                propagation_policy: Some(PropagationPolicy::Orphan),
                ..DeleteParams::default()
            };
            api.delete(&set.name_any(), &orphan).await?;
            return Ok(());
        }
    };
    if live.is_none() {
        context.applier.forget(&**set);
    }
    context.applier.apply(&**set).await.map(drop)
}

/// Makes a StatefulSet what it was made as. The API server is asked first what that would change: it knows other spellings of the same.
async fn repair(
    context: &Context,
    live: Option<&StatefulSet>,
    set: &StatefulSet,
) -> Result<(), kube::Error> {
    let namespace = set.namespace().unwrap_or_default();
    let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), &namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let dry = PatchParams { dry_run: true, ..parameters.clone() };
    let after = api.patch(&set.name_any(), &dry, &Patch::Apply(set)).await?;
    let Some(live) = live.filter(|live| live.spec != after.spec) else { return Ok(()) };
    let mut set = set.clone();
    record::mark_undone(&mut set, live, &after);
    // It is the one that was looked at that is put back.
    set.metadata.resource_version = live.resource_version();
    tracing::warn!(stateful_set = set.name_any(), "was changed by somebody else and is put back");
    api.patch(&set.name_any(), &parameters, &Patch::Apply(&set)).await.map(drop)
}

/// Lets disks grow. What came of it is told in sentences.
///
/// # Errors
/// Of the API server, unless it refuses: then that is told.
pub async fn growth(
    context: &Context,
    there: &Dereferenced,
    validated: &Validated,
) -> Result<Vec<String>, kube::Error> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &there.namespace);
    let mut refused = Vec::new();
    for growth in claims::growths(validated, &there.claims) {
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(growth.patch());
        match api.patch(&growth.claim, &parameters, &patch).await {
            Ok(_) => tracing::info!(claim = growth.claim, size = growth.declared.0, "disk grows"),
            // Its StorageClass lets no disk grow.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
                refused.push(format!("disk {} cannot grow: {}", growth.claim, status.message));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// Stores each pool's node ids, before any of them is used.
///
/// # Errors
/// Of the API server.
pub async fn pools(
    context: &Context,
    there: &Dereferenced,
    validated: &Validated,
) -> Result<(), kube::Error> {
    for pool in &there.pools {
        let Some(ids) = validated.pools.get(&pool.name_any()) else { continue };
        let before = pool.status.clone().unwrap_or_default();
        let mut status = before.clone();
        status.node_ids = ids.stored();
        status.replicas = u32::try_from(status.node_ids.len()).unwrap_or(u32::MAX);
        status.selector = Some(selector(there, pool));
        status.observed_generation = pool.metadata.generation;
        let message = "its nodes are declared in the KafkaCluster's status";
        let generation = pool.metadata.generation;
        status.conditions.set("Accepted", true, "Accepted", message, generation, now());
        if status != before {
            patch_pool(context, pool, &status).await?;
        }
    }
    Ok(())
}

/// Tells the pools that nothing is touched.
///
/// # Errors
/// Of the API server.
pub async fn pools_refused(
    context: &Context,
    there: &Dereferenced,
    invalid: &[Invalid],
) -> Result<(), kube::Error> {
    let all: Vec<String> = invalid.iter().map(ToString::to_string).collect();
    for pool in &there.pools {
        let mut status = pool.status.clone().unwrap_or_default();
        let before = status.clone();
        let generation = pool.metadata.generation;
        status.observed_generation = generation;
        status.conditions.set("Accepted", false, "Invalid", &all.join("; "), generation, now());
        if status != before {
            patch_pool(context, pool, &status).await?;
        }
    }
    Ok(())
}

async fn patch_pool(
    context: &Context,
    pool: &KafkaNodePool,
    status: &KafkaNodePoolStatus,
) -> Result<(), kube::Error> {
    let namespace = pool.namespace().unwrap_or_default();
    let api: Api<KafkaNodePool> = Api::namespaced(context.client.clone(), &namespace);
    let parameters = PatchParams::default();
    let patch = Patch::Merge(pool_patch(pool, status));
    api.patch_status(&pool.name_any(), &parameters, &patch).await.map(drop)
}

/// It names the version that was looked at: of two who give out ids, one does.
fn pool_patch(pool: &KafkaNodePool, status: &KafkaNodePoolStatus) -> serde_json::Value {
    json!({ "metadata": { "resourceVersion": pool.metadata.resource_version }, "status": status })
}

fn selector(there: &Dereferenced, pool: &KafkaNodePool) -> String {
    let cluster = there.cluster.name_any();
    format!("{}={cluster},{}={}", names::LABEL_CLUSTER, names::LABEL_POOL, pool.name_any())
}

/// Replaces the status of the very version that was read: of two who looked, one stores. Gives the cluster as it is now.
///
/// # Errors
/// Of the API server; a conflict if somebody else was faster.
pub async fn status(
    context: &Context,
    cluster: &KafkaCluster,
    before: &KafkaClusterStatus,
    status: &KafkaClusterStatus,
) -> Result<KafkaCluster, kube::Error> {
    if status == before {
        return Ok(cluster.clone());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<KafkaCluster> = Api::namespaced(context.client.clone(), &namespace);
    let mut written = cluster.clone();
    written.meta_mut().managed_fields = None;
    written.status = Some(status.clone());
    api.replace_status(&cluster.name_any(), &kube::api::PostParams::default(), &written).await
}

fn now() -> Time {
    Time(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_given_out_over_the_version_that_was_looked_at() {
        let mut pool = KafkaNodePool::default();
        pool.metadata.resource_version = Some("7".into());
        let status = KafkaNodePoolStatus { node_ids: vec![1, 2], ..KafkaNodePoolStatus::default() };
        let patch = pool_patch(&pool, &status);
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["status"]["nodeIds"], json!([1, 2]));
    }
}
