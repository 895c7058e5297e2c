//! Watches fill the board, one worker for each Kafka cluster empties it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{SelectAll, Stream, StreamExt, select_all};
use k8s_openapi::api::core::v1::Namespace;
use klamm_crd::{KafkaCluster, KafkaClusterSpec};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::{Batch, Board, Woken};
use super::claims::{Kind, Namespaces};
use super::listing::Scope;
use super::malformed;
use super::registry::{Claimant, Key};

/// Who has to be looked at before everybody is.
pub(crate) type Again = Vec<(Key, Duration)>;

/// What is done about the resources of a kind.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The resources.
    type Resource: Claimant
        + Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + DeserializeOwned
        + Clone
        + std::fmt::Debug;
    /// What is kept of a cluster from one batch to the next.
    type Memory: Default + Send;
    /// Everything is compared with Kafka so often, whether something was heard of it or not.
    const COMPARE_EVERY: Duration;

    /// Looks at some resources of one cluster.
    fn round(
        &self,
        batch: Batch<Self::Resource>,
        memory: &mut Self::Memory,
    ) -> impl Future<Output = Again> + Send;
}

/// What watches and workers share.
#[derive(Debug)]
pub(crate) struct Office<R> {
    board: Mutex<Board<R>>,
    begun: Instant,
    pub(crate) scopes: BTreeSet<Scope>,
}

impl<R: Claimant> Office<R> {
    /// For these namespaces; for all if there are none.
    pub(crate) fn new(kind: Kind, namespaces: &[String]) -> Self {
        let scopes: BTreeSet<Scope> = match namespaces {
            [] => [None].into(),
            some => some.iter().cloned().map(Some).collect(),
        };
        Self { board: Mutex::new(Board::new(kind, &scopes)), begun: Instant::now(), scopes }
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board<R>> {
        // Whoever panicked with the board left it whole: its methods do not wait and do not call out.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A resource as the answer to a patch shows it.
    pub(crate) fn learn(&self, resource: &R) {
        let mut board = self.board();
        let touched = board.resources.handle(resource);
        // It is looked at by the worker that patched it, which asks the board again before it sleeps.
        board.mark(touched);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What a watch says.
enum Heard<R> {
    Resource(Scope, Event<DeserializeGuard<R>>),
    Cluster(Scope, Box<Event<DeserializeGuard<KafkaCluster>>>),
    Namespace(Event<PartialObjectMeta<Namespace>>),
    /// Namespaces must not be seen.
    NoNamespaces,
    /// An object that resources depend on.
    Changed(Key),
}

/// Whether a resource depends on an object that changed, which is of its namespace or named after its cluster.
pub(crate) type Dependents<R> = fn(&Key, &R) -> bool;

/// Runs until `shutdown`.
pub(crate) async fn run<H: Handler>(
    client: Client,
    handler: Arc<H>,
    office: Arc<Office<H::Resource>>,
    changes: impl Stream<Item = Key> + Send + Unpin + 'static,
    dependents: Dependents<H::Resource>,
    shutdown: CancellationToken,
) {
    let mut heard = watches::<H::Resource>(&client, &office.scopes);
    heard.push(changes.map(Heard::Changed).boxed());
    let mut team = Team {
        handler,
        office: Arc::clone(&office),
        shutdown: shutdown.clone(),
        desks: BTreeMap::new(),
        workers: JoinSet::new(),
        hired: HashMap::new(),
    };
    let mut namespaces = Namespaces::new();
    loop {
        let heard = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = team.workers.join_next_with_id() => {
                team.handle_end(ended);
                continue;
            }
            heard = heard.next() => heard,
        };
        let Some(heard) = heard else { break };
        let woken = match heard {
            Heard::Resource(scope, event) => handle_resource(&client, &office, &scope, event).await,
            Heard::Cluster(scope, event) => handle_cluster(&office, &scope, *event),
            Heard::Namespace(event) => handle_namespace(&office, &mut namespaces, event),
            Heard::NoNamespaces => office.board().handle_namespaces(Namespaces::new()),
            Heard::Changed(key) => office.board().handle_changed(&key, dependents),
        };
        team.wake(woken);
    }
    while team.workers.join_next().await.is_some() {}
}

type Watches<R> = SelectAll<futures::stream::BoxStream<'static, Heard<R>>>;

fn watches<R>(client: &Client, scopes: &BTreeSet<Scope>) -> Watches<R>
where
    R: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + DeserializeOwned
        + Clone
        + std::fmt::Debug
        + Send
        + 'static,
{
    let mut all = select_all(Vec::new());
    for scope in scopes {
        let (of_resource, of_cluster) = (scope.clone(), scope.clone());
        let resources: Api<DeserializeGuard<R>> = api(client, scope);
        let resources = watcher(resources, watcher::Config::default()).default_backoff();
        all.push(
            resources
                .filter_map(logged)
                .map(move |event| Heard::Resource(of_resource.clone(), event))
                .boxed(),
        );
        let clusters: Api<DeserializeGuard<KafkaCluster>> = api(client, scope);
        let clusters = watcher(clusters, watcher::Config::default()).default_backoff();
        all.push(
            clusters
                .filter_map(logged)
                .map(move |event| Heard::Cluster(of_cluster.clone(), Box::new(event)))
                .boxed(),
        );
    }
    if scopes.contains(&None) {
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
        let namespaces = watcher(namespaces, watcher::Config::default());
        let heard = namespaces.default_backoff().filter_map(async |event| match event {
            Ok(event) => Some(Heard::Namespace(event)),
            Err(watcher::Error::InitialListFailed(kube::Error::Api(status)))
                if status.code == 403 =>
            {
                tracing::warn!("namespaces may not be seen: claims by selector give nothing");
                Some(Heard::NoNamespaces)
            }
            Err(error) => logged(Err(error)).await,
        });
        all.push(heard.boxed());
    } else {
        // Who looks after some namespaces has no right to see them all.
        all.push(futures::stream::iter([Heard::NoNamespaces]).boxed());
    }
    all
}

/// Of a namespace, or of all.
pub(crate) fn api<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

pub(crate) async fn logged<T>(event: Result<T, watcher::Error>) -> Option<T> {
    event.inspect_err(|error| tracing::warn!(%error, "a watch is interrupted")).ok()
}

async fn handle_resource<R>(
    client: &Client,
    office: &Office<R>,
    scope: &Scope,
    event: Event<DeserializeGuard<R>>,
) -> Woken
where
    R: Claimant + Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
{
    match event {
        Event::Init => {
            office.board().resources.handle_listing(scope);
            Woken::new()
        }
        Event::InitDone => office.board().handle_resources_listed(scope),
        Event::Delete(gone) => {
            let key = Key::of(&gone);
            let mut board = office.board();
            let touched = board.resources.handle_gone(&key);
            board.mark(touched)
        }
        Event::Apply(DeserializeGuard(Ok(mut resource)))
        | Event::InitApply(DeserializeGuard(Ok(mut resource))) => {
            trim(&mut resource);
            let mut board = office.board();
            let touched = board.resources.handle(&resource);
            board.mark(touched)
        }
        Event::Apply(DeserializeGuard(Err(invalid)))
        | Event::InitApply(DeserializeGuard(Err(invalid))) => {
            let key = Key {
                namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
                name: invalid.metadata.name.clone().unwrap_or_default(),
            };
            let woken = {
                let mut board = office.board();
                let touched = board.resources.handle_gone(&key);
                board.mark(touched)
            };
            malformed::say::<R>(client, &key, &invalid.error).await;
            woken
        }
    }
}

/// What is not acted on is not kept: ten thousand resources lie in memory.
pub(crate) fn trim(resource: &mut impl ResourceExt) {
    resource.managed_fields_mut().clear();
    resource.annotations_mut().retain(|name, _| name.starts_with("klamm.dev/"));
    resource.labels_mut().clear();
    resource.meta_mut().owner_references = None;
}

fn handle_cluster<R: Claimant>(
    office: &Office<R>,
    scope: &Scope,
    event: Event<DeserializeGuard<KafkaCluster>>,
) -> Woken {
    let mut board = office.board();
    match event {
        Event::Init => {
            board.handle_clusters_listing(scope);
            Woken::new()
        }
        Event::InitDone => board.handle_clusters_listed(scope),
        Event::Delete(gone) => board.handle_cluster_gone(&Key::of(&gone)),
        Event::Apply(DeserializeGuard(read)) | Event::InitApply(DeserializeGuard(read)) => {
            let mut cluster = read.unwrap_or_else(|invalid| {
                // It is there, and nobody knows what its rules are.
                let spec = KafkaClusterSpec { paused: true, ..KafkaClusterSpec::default() };
                KafkaCluster { metadata: invalid.metadata, spec, status: None }
            });
            trim(&mut cluster);
            if let Some(status) = &mut cluster.status {
                status.progress = None;
                status.plan = None;
                status.nodes.clear();
            }
            board.handle_cluster(cluster)
        }
    }
}

fn handle_namespace<R: Claimant>(
    office: &Office<R>,
    namespaces: &mut Namespaces,
    event: Event<PartialObjectMeta<Namespace>>,
) -> Woken {
    let is_listing = matches!(event, Event::Init | Event::InitApply(_));
    match event {
        Event::Init => namespaces.clear(),
        Event::InitApply(namespace) | Event::Apply(namespace) => {
            namespaces.insert(namespace.name_any(), namespace.labels().clone());
        }
        Event::Delete(namespace) => {
            namespaces.remove(&namespace.name_any());
        }
        Event::InitDone => {}
    }
    if is_listing { Woken::new() } else { office.board().handle_namespaces(namespaces.clone()) }
}

/// The workers.
struct Team<H: Handler> {
    handler: Arc<H>,
    office: Arc<Office<H::Resource>>,
    shutdown: CancellationToken,
    desks: BTreeMap<Key, Arc<Notify>>,
    workers: JoinSet<()>,
    hired: HashMap<Id, Key>,
}

impl<H: Handler> Team<H> {
    fn wake(&mut self, woken: Woken) {
        for cluster in woken {
            let desk = self.desks.entry(cluster.clone()).or_insert_with(|| {
                let desk = Arc::new(Notify::new());
                let (handler, office) = (Arc::clone(&self.handler), Arc::clone(&self.office));
                let (to, shutdown) = (cluster.clone(), self.shutdown.clone());
                let hired =
                    self.workers.spawn(work(handler, office, to, Arc::clone(&desk), shutdown));
                self.hired.insert(hired.id(), cluster);
                desk
            });
            desk.notify_one();
        }
    }

    /// A worker whom nobody needs has gone home; somebody may have come meanwhile. One who fell over is followed by another.
    fn handle_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, fell) = match ended {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), true),
        };
        let Some(cluster) = self.hired.remove(&id) else { return };
        self.desks.remove(&cluster);
        if fell {
            tracing::error!(%cluster, "a worker fell over");
            self.office.board().mark_cluster(&cluster);
        }
        if self.office.board().next_ms(&cluster).is_some() {
            self.wake([cluster].into());
        }
    }
}

async fn work<H: Handler>(
    handler: Arc<H>,
    office: Arc<Office<H::Resource>>,
    cluster: Key,
    desk: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let mut memory = H::Memory::default();
    let mut compare_at = Instant::now() + H::COMPARE_EVERY;
    loop {
        if Instant::now() >= compare_at {
            office.board().mark_cluster(&cluster);
            compare_at = Instant::now() + H::COMPARE_EVERY;
        }
        let now_ms = office.now_ms();
        let taken = office.board().take(&cluster, now_ms);
        if let Some(batch) = taken {
            let again = tokio::select! {
                () = shutdown.cancelled() => return,
                again = handler.round(batch, &mut memory) => again,
            };
            let now_ms = office.now_ms();
            let mut board = office.board();
            for (key, after) in again {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                board.mark_at(&cluster, key, now_ms.saturating_add(after_ms));
            }
            continue;
        }
        if office.board().close(&cluster) {
            return;
        }
        let next =
            office.board().next_ms(&cluster).map(|ms| office.begun + Duration::from_millis(ms));
        let until = next.map_or(compare_at, |next| next.min(compare_at));
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = desk.notified() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}
