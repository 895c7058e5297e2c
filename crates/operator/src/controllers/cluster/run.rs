//! When a cluster is looked at: when it, or anything of it, changed, and again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use klamm_crd::{Conditions as _, KafkaCluster, KafkaClusterStatus, KafkaNodePool};
use kube::api::{Api, Patch, PatchParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::drive::{Failed, apis, drive};
use super::reconcile::{Memory, ReconcileError, reconcile};
use super::{names, reconcile};
use crate::context::Context;
use crate::controllers::user::LABEL_USER;
use crate::metrics::Outcome;

/// A pass that takes longer is given up; the next one begins from the beginning.
const PASS_TIME_MAX: Duration = Duration::from_secs(60);
/// After a pass that looked at an old state.
const AGAIN: Duration = Duration::from_millis(200);

type Meta<K> = PartialObjectMeta<K>;
type Cluster = Meta<KafkaCluster>;

/// What is kept of one cluster between two passes.
#[derive(Debug, Default)]
struct Kept {
    memory: Memory,
    has_failed: bool,
}

type All = Arc<Mutex<HashMap<(String, String), Arc<tokio::sync::Mutex<Kept>>>>>;

/// Looks after all clusters until it is told to stop; a pass that was begun is ended first.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let all = All::default();
    let each = apis::<Cluster>(&context).into_iter().enumerate().map(|(index, clusters)| {
        let controller =
            related(Controller::new(clusters, watcher::Config::default()), index, &context);
        let all = Arc::clone(&all);
        let look = move |cluster: Arc<Cluster>, context: Context| {
            let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
            let kept = kept(&all, &namespace, &name);
            async move { pass(&context, &namespace, &name, &mut *kept.lock().await).await }
        };
        drive(controller, "KafkaCluster", context.clone(), shutdown.clone(), look)
    });
    join_all(each).await;
}

/// Looks at a cluster again when anything of it changes. Nothing but metadata is kept of what is watched.
fn related(
    mut controller: Controller<Cluster>,
    index: usize,
    context: &Context,
) -> Controller<Cluster> {
    if let Some(pools) = apis::<DeserializeGuard<KafkaNodePool>>(context).into_iter().nth(index) {
        controller =
            controller.watches(pools, watcher::Config::default(), |pool| cluster_of_pool(&pool));
    }
    controller = labelled::<StatefulSet>(controller, index, context);
    controller = labelled::<Pod>(controller, index, context);
    controller = labelled::<PersistentVolumeClaim>(controller, index, context);
    controller = labelled::<Secret>(controller, index, context);
    controller = labelled::<Service>(controller, index, context);
    controller = labelled::<ServiceAccount>(controller, index, context);
    controller = labelled::<PodDisruptionBudget>(controller, index, context);
    labelled::<NetworkPolicy>(controller, index, context)
}

fn labelled<K>(
    controller: Controller<Cluster>,
    index: usize,
    context: &Context,
) -> Controller<Cluster>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Send
        + 'static,
    Meta<K>: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let Some(api) = apis::<Meta<K>>(context).into_iter().nth(index) else { return controller };
    let labelled = watcher::Config::default().labels(&watched());
    let applier = context.applier.clone();
    controller.watches(api, labelled, move |object| {
        // Whatever became of it, it is to be applied by the pass that this begins.
        let namespace = object.namespace().unwrap_or_default();
        applier.forget_named(&K::kind(&()), &namespace, &object.name_any());
        cluster_of(&object)
    })
}

/// Users have Secrets with the cluster's label too, by the thousand.
fn watched() -> String {
    format!("{},!{LABEL_USER}", names::LABEL_CLUSTER)
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
    context: &Context,
    namespace: &str,
    name: &str,
    kept: &mut Kept,
) -> Result<(Action, Outcome), Failed> {
    let passing = Box::pin(reconcile(context, namespace, name, &mut kept.memory));
    let error = match tokio::time::timeout(PASS_TIME_MAX, passing).await {
        Ok(Ok(done)) => {
            kept.has_failed = false;
            return Ok(done);
        }
        Ok(Err(error)) => error,
        Err(_) => ReconcileError::TimedOut,
    };
    if error.is_conflict() {
        tracing::debug!(namespace, name, %error, "looked at an old state");
        return Ok((Action::requeue(AGAIN), Outcome::Fine));
    }
    // The first failure may be a passing one.
    if std::mem::replace(&mut kept.has_failed, true) {
        tell(context, namespace, name, &error).await;
    }
    Err(Failed(error.to_string()))
}

fn kept(all: &All, namespace: &str, name: &str) -> Arc<tokio::sync::Mutex<Kept>> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(all.entry((namespace.to_owned(), name.to_owned())).or_default())
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
