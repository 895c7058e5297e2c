//! When resources become Ready in their present generation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::NAMESPACE;

/// Ten thousand topics take minutes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The resources of a kind in the namespace.
#[derive(Debug, Clone)]
pub struct Watched {
    pub api: Api<DynamicObject>,
    known: Arc<Mutex<HashMap<String, Known>>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Clone)]
struct Known {
    generation: i64,
    /// Since when it is seen to be Ready in this generation.
    ready: Option<Instant>,
    says: String,
}

impl Watched {
    /// Watches from now on.
    pub fn new(client: &Client, kind: &str) -> Self {
        let resource = resource(kind);
        let api = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
        let watched = Self { api, known: Arc::default(), changed: Arc::default() };
        tokio::spawn(watched.clone().watch());
        watched
    }

    async fn watch(self) {
        let mut events =
            std::pin::pin!(watcher(self.api.clone(), watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => self.handle(&object),
                Ok(Event::Delete(object)) => {
                    self.known().remove(&object.name_any());
                }
                Ok(_) => {}
                Err(error) => eprintln!("watch: {error}"),
            }
            self.changed.notify_waiters();
        }
    }

    fn handle(&self, object: &DynamicObject) {
        let generation = object.metadata.generation.unwrap_or_default();
        let conditions = object.data["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
        let is_ready = ready.is_some_and(|ready| {
            ready["status"] == "True" && ready["observedGeneration"].as_i64() == Some(generation)
        });
        let says = ready.map_or_else(|| "nothing".to_owned(), Value::to_string);
        let mut known = self.known();
        let before = known.get(&object.name_any());
        let before = before.filter(|before| before.generation == generation);
        let since = before.and_then(|before| before.ready).unwrap_or_else(Instant::now);
        let ready = is_ready.then_some(since);
        known.insert(object.name_any(), Known { generation, ready, says });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it became Ready in a generation, or a later one.
    ///
    /// # Errors
    /// When it does not: what it says instead.
    pub async fn ready(&self, name: &str, generation: i64) -> Result<Instant, String> {
        let says = || {
            let says = self.known().get(name).map(|known| known.says.clone());
            format!("{name} does not become Ready: {}", says.unwrap_or_default())
        };
        self.until(says, |known| {
            known.get(name).filter(|known| known.generation >= generation)?.ready
        })
        .await
    }

    /// Waits until so many whose names begin so are Ready.
    ///
    /// # Errors
    /// When they do not become.
    pub async fn all_ready(&self, prefix: &str, count: usize) -> Result<(), String> {
        let ready = |known: &HashMap<String, Known>| {
            let some = known.iter().filter(|(name, _)| name.starts_with(prefix));
            some.filter(|(_, known)| known.ready.is_some()).count()
        };
        let says = || {
            let known = self.known();
            let not = known.iter().find(|(_, known)| known.ready.is_none());
            format!("{} of {count} are Ready; {not:?}", ready(&known))
        };
        self.until(says, |known| (ready(known) >= count).then_some(())).await
    }

    /// Waits until there is none.
    ///
    /// # Errors
    /// When they stay.
    pub async fn none(&self) -> Result<(), String> {
        let says = || format!("{} stay", self.known().len());
        self.until(says, |known| known.is_empty().then_some(())).await
    }

    async fn until<T>(
        &self,
        says: impl Fn() -> String,
        look: impl Fn(&HashMap<String, Known>) -> Option<T>,
    ) -> Result<T, String> {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                let found = look(&self.known());
                match found {
                    Some(found) => return found,
                    None => changed.await,
                }
            }
        };
        timeout(PATIENCE, waiting).await.map_err(|_| says())
    }
}

/// One of ours.
pub fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("klamm.dev", "v1alpha1", kind))
}
