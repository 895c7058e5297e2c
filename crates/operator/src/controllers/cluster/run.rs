//! When a cluster is looked at: when it, or anything of it, changed, and again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use klamm_crd::{Conditions as _, KafkaCluster, KafkaClusterStatus, KafkaNodePool};
use kube::api::{Api, Patch, PatchParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::reconcile::{Memory, ReconcileError, reconcile};
use super::{names, reconcile};
use crate::context::Context;

/// Clusters that are looked at together.
const TOGETHER: u16 = 16;
/// A pass that takes longer is given up; the next one begins from the beginning.
const PASS_TIME_MAX: Duration = Duration::from_secs(60);
/// After a pass that failed, doubling.
const AGAIN_MIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);

type Meta<K> = PartialObjectMeta<K>;
type Cluster = Meta<KafkaCluster>;

/// What is kept of one cluster between two passes.
#[derive(Debug, Default)]
struct Kept {
    memory: Memory,
    failures: u32,
}

struct Shared {
    context: Context,
    kept: Mutex<HashMap<(String, String), Arc<tokio::sync::Mutex<Kept>>>>,
}

/// Looks after all clusters until it is told to stop; a pass that was begun is ended first.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let shared = Arc::new(Shared { context, kept: Mutex::default() });
    let namespaces = shared.context.namespaces();
    let each = namespaces.into_iter().map(|namespace| {
        controller(&shared.context, namespace.as_deref(), shutdown.clone())
            .run(pass, |_, never, _| match *never {}, Arc::clone(&shared))
            .for_each(|result| async move {
                if let Err(error) = result {
                    // Of the watches; they begin anew by themselves.
                    tracing::debug!(%error, "watch");
                }
            })
    });
    join_all(each).await;
}

/// Of one namespace, or of all. Nothing but metadata is kept of what is watched.
fn controller(
    context: &Context,
    namespace: Option<&str>,
    shutdown: CancellationToken,
) -> Controller<Cluster> {
    let all = watcher::Config::default;
    let labelled = || watcher::Config::default().labels(names::LABEL_CLUSTER);
    Controller::new(context.api(namespace), all())
        .with_config(Config::default().concurrency(TOGETHER))
        .watches(context.api(namespace), all(), |pool| cluster_of_pool(&pool))
        .watches(context.api(namespace), labelled(), |o: Meta<StatefulSet>| cluster_of(&o))
        .watches(context.api(namespace), labelled(), |o: Meta<Pod>| cluster_of(&o))
        .watches(context.api(namespace), labelled(), |o: Meta<PersistentVolumeClaim>| {
            cluster_of(&o)
        })
        .watches(context.api(namespace), labelled(), |o: Meta<Secret>| cluster_of(&o))
        .graceful_shutdown_on(shutdown.cancelled_owned())
}

fn cluster_of<K: Resource>(object: &K) -> Option<ObjectRef<Cluster>> {
    let name = object.labels().get(names::LABEL_CLUSTER)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

fn cluster_of_pool(pool: &DeserializeGuard<KafkaNodePool>) -> Option<ObjectRef<Cluster>> {
    let pool = pool.0.as_ref().ok()?;
    Some(ObjectRef::new(&pool.spec.cluster).within(&pool.namespace()?))
}

async fn pass(
    cluster: Arc<Cluster>,
    shared: Arc<Shared>,
) -> Result<Action, std::convert::Infallible> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let kept = shared.kept(&namespace, &name);
    let mut kept = kept.lock().await;
    let passing = reconcile(&shared.context, &namespace, &name, &mut kept.memory);
    let error = match tokio::time::timeout(PASS_TIME_MAX, Box::pin(passing)).await {
        Ok(Ok(again)) => {
            kept.failures = 0;
            return Ok(again);
        }
        Ok(Err(error)) => error,
        Err(_) => ReconcileError::TimedOut,
    };
    kept.failures += 1;
    let again = AGAIN_MIN.saturating_mul(1 << kept.failures.min(10)).min(AGAIN_MAX);
    if error.is_conflict() {
        tracing::debug!(namespace, name, %error, "looked at an old state");
        return Ok(Action::requeue(AGAIN_MIN));
    }
    tracing::warn!(namespace, name, %error, "failed; tried again in {again:?}");
    // The first failure may be a passing one.
    if kept.failures > 1 {
        tell(&shared.context, &namespace, &name, &error).await;
    }
    Ok(Action::requeue(again))
}

/// Says in the status that passes fail, as far as that goes.
async fn tell(context: &Context, namespace: &str, name: &str, error: &ReconcileError) {
    let api: Api<KafkaCluster> = Api::namespaced(context.client.clone(), namespace);
    let before = api.get_status(name).await.ok().and_then(|cluster| cluster.status);
    let mut conditions =
        before.map(|status: KafkaClusterStatus| status.conditions).unwrap_or_default();
    let now = reconcile::now(reconcile::now_ms());
    conditions.set("Degraded", true, "Failing", &error.to_string(), None, now);
    let patch = Patch::Merge(json!({ "status": { "conditions": conditions } }));
    if let Err(error) = api.patch_status(name, &PatchParams::default(), &patch).await {
        tracing::debug!(namespace, name, %error, "could not be told");
    }
}

impl Shared {
    fn kept(&self, namespace: &str, name: &str) -> Arc<tokio::sync::Mutex<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry((namespace.to_owned(), name.to_owned())).or_default())
    }
}
