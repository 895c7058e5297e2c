//! Gateway: stateless `klamm` pods in front of a cluster.
//!
//! ```text
//!   dereference --> validate --> build --> apply --> orphans --> status
//!                      | problem                                    ^
//!                      +-- nothing is touched ----------------------+
//! ```

mod apply;
mod build;
mod config;
mod dereference;
mod names;
mod status;
#[cfg(test)]
mod tests;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use klamm_crd::{Gateway, KafkaCluster, KafkaUser};
use kube::ResourceExt as _;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use super::drive::{Failed, apis, drive};
use crate::context::Context;
use crate::metrics::Outcome;
use validate::Problem;

/// Secrets are not watched, for that would be every Secret there is; a renewed one is seen so much later at most.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Objects with a name that a gateway wants are not watched either, and whoever has removed one waits.
const LOOK_AGAIN_REFUSED: Duration = Duration::from_secs(15);

/// Runs until told to end and what is under way is done.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let owned = apis::<Deployment>(&context).into_iter().zip(apis::<Service>(&context));
    let each = apis::<Gateway>(&context).into_iter().zip(owned);
    let each = each.map(|(gateways, (deployments, services))| {
        let controller = Controller::new(gateways, watcher::Config::default());
        let owned = watcher::Config::default().labels(&names::managed());
        let controller = controller.owns(deployments, owned.clone()).owns(services, owned);
        let controller = related(controller, &context);
        drive(controller, "Gateway", context.clone(), shutdown.clone(), reconcile)
    });
    join_all(each).await;
}

/// Looks at a gateway again when its cluster or its user changes.
fn related(mut controller: Controller<Gateway>, context: &Context) -> Controller<Gateway> {
    for clusters in apis::<KafkaCluster>(context) {
        let store = controller.store();
        controller = controller.watches(clusters, watcher::Config::default(), move |cluster| {
            let (name, namespace) = (cluster.name_any(), cluster.namespace());
            of(&store, |gateway| {
                let wanted = &gateway.spec.cluster;
                wanted.name == name
                    && wanted.namespace.clone().or_else(|| gateway.namespace()) == namespace
            })
        });
    }
    for users in apis::<KafkaUser>(context) {
        let store = controller.store();
        controller = controller.watches(users, watcher::Config::default(), move |user| {
            let (name, namespace) = (user.name_any(), user.namespace());
            of(&store, |gateway| {
                gateway.spec.user.as_ref() == Some(&name) && gateway.namespace() == namespace
            })
        });
    }
    controller
}

fn of(store: &Store<Gateway>, wanted: impl Fn(&Gateway) -> bool) -> Vec<ObjectRef<Gateway>> {
    let gateways = store.state().into_iter().filter(|gateway| wanted(gateway));
    gateways.map(|gateway| ObjectRef::from_obj(&*gateway)).collect()
}

async fn reconcile(gateway: Arc<Gateway>, context: Context) -> Result<(Action, Outcome), Failed> {
    if gateway.metadata.deletion_timestamp.is_some() {
        // What belongs to it goes with it: the API server's collector does that.
        return Ok((Action::await_change(), Outcome::Fine));
    }
    let found = dereference::dereference(&gateway, &context).await?;
    let applied = match validate::validate(&gateway, &found) {
        Ok(validated) => {
            let surroundings = build::Surroundings {
                image: &context.settings.klamm_image,
                openshift: context.openshift,
            };
            let built = build::build(&gateway, &validated, &surroundings);
            apply::apply(&gateway, &built, &context.client).await?
        }
        Err(problem) => Err(problem),
    };
    let (outcome, after) = match &applied {
        Ok(()) => (Outcome::Fine, LOOK_AGAIN),
        Err(_) => (Outcome::Refused, LOOK_AGAIN_REFUSED),
    };
    let seen = match applied {
        Ok(()) => Ok(status::look(&gateway, &context.client).await?),
        Err(problem) => Err(problem),
    };
    status::store(&gateway, seen, found.cluster.as_ref(), &context.client).await?;
    Ok((Action::requeue(after), outcome))
}

/// What came of applying: done, or refused by the API server for a reason that only the resource's owner can do something about.
type Applied = Result<(), Problem>;
