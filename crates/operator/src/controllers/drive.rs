//! What controllers have in common: namespaces, numbers, log lines, and when to try again.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::metrics::Outcome;

/// Looks at resources that go on at a time, for each kind and namespace: what takes long is waiting for answers, and each
/// holds less than a megabyte.
const CONCURRENCY: u16 = 8;
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// What is wrong for longer is looked at once a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A look at a resource that failed, and is tried again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

impl From<kube::Error> for Failed {
    fn from(error: kube::Error) -> Self {
        Self(crate::apply::words(&error))
    }
}

/// The APIs of the namespaces that are looked at: one for each, or one for all.
pub(crate) fn apis<K>(context: &Context) -> Vec<Api<K>>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    let client = || context.client.clone();
    match context.settings.namespaces.as_slice() {
        [] => vec![Api::all(client())],
        names => names.iter().map(|name| Api::namespaced(client(), name)).collect(),
    }
}

/// Runs a controller until told to end and what is under way is done.
pub(crate) async fn drive<K, F>(
    controller: Controller<K>,
    kind: &'static str,
    context: Context,
    shutdown: CancellationToken,
    reconcile: impl Fn(Arc<K>, Context) -> F + Send + Sync + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<(Action, Outcome), Failed>> + Send + 'static,
{
    let failures = Arc::new(Failures::<ObjectRef<K>>::default());
    let metrics = context.metrics.clone();
    let looked = {
        let failures = Arc::clone(&failures);
        move |resource: Arc<K>, context: Arc<Context>| {
            let (metrics, failures) = (context.metrics.clone(), Arc::clone(&failures));
            let look = reconcile(Arc::clone(&resource), Context::clone(&context));
            async move {
                let started = Instant::now();
                let result = look.await;
                let outcome = result.as_ref().map_or(Outcome::Failed, |(_, outcome)| *outcome);
                metrics.reconciled(kind, outcome, started.elapsed());
                if result.is_ok() {
                    failures.forget(&ObjectRef::from_obj(&*resource));
                }
                result.map(|(action, _)| action)
            }
        }
    };
    let again = move |resource: Arc<K>, error: &Failed, _: Arc<Context>| {
        let resource = ObjectRef::from_obj(&*resource);
        let pause = failures.pause(resource.clone());
        tracing::warn!(kind, %resource, %error, again_s = pause.as_secs(), "not reconciled");
        Action::requeue(pause)
    };
    // Told to end before the first listing is there, kube's controller waits for that listing, which nobody reads any more.
    let (store, told) = (controller.store(), shutdown.clone());
    let told_before_it_began = async move {
        told.cancelled().await;
        if store.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    let running = controller
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(looked, again, Arc::new(context))
        .for_each(|result| {
            if let Err(controller::Error::QueueError(error)) = result {
                metrics.watch_failed(kind);
                tracing::warn!(kind, %error, "watch broke, begins again");
            }
            std::future::ready(())
        });
    tokio::select! {
        () = running => {}
        () = told_before_it_began => {}
    }
}

/// How often resources failed one after the other; as many entries as there are resources in trouble.
struct Failures<R>(Mutex<HashMap<R, u32>>);

impl<R> Default for Failures<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Hash + Eq> Failures<R> {
    fn pause(&self, resource: R) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = known.entry(resource).or_insert(0);
        let pause = FIRST_PAUSE.saturating_mul(1 << (*times).min(16)).min(LONGEST_PAUSE);
        *times += 1;
        pause
    }

    fn forget(&self, resource: &R) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::watcher;
    use kube::{Client, Config};

    use super::*;
    use crate::apply::Applier;
    use crate::context::Settings;
    use crate::kafka::Connections;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn controller_that_is_told_to_end_before_it_has_listed_anything_ends() {
        // Takes connections, and never answers.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap());
        let client = Client::try_from(Config::new(address.parse().unwrap())).unwrap();
        let context = Context {
            applier: Applier::new(client.clone()),
            client: client.clone(),
            kafka: Connections::default(),
            settings: Settings::default(),
            openshift: false,
            metrics: Metrics::default(),
        };
        let all = Api::<ConfigMap>::all(client);
        let controller = Controller::new(all, watcher::Config::default());
        let shutdown = CancellationToken::new();
        let look = |_, _| async { Ok((Action::await_change(), Outcome::Fine)) };
        let driven = drive(controller, "ConfigMap", context, shutdown.clone(), look);
        let asked = async {
            let _listing = silent.accept().await.unwrap();
            shutdown.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = driven => {}
            () = asked => {}
        }
    }

    #[test]
    fn pauses_grow_until_it_goes_well() {
        let failures = Failures::default();
        let pauses: Vec<u64> = (0..8).map(|_| failures.pause("a").as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(failures.pause("b").as_secs(), 1);
        failures.forget(&"a");
        assert_eq!(failures.pause("a").as_secs(), 1);
    }
}
