//! What is known of a gateway.

mod pods;
mod verdict;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::{Conditions as _, Gateway, GatewayStatus, KafkaCluster};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;

use super::names;
use super::validate::Problem;
use crate::apply::FIELD_MANAGER;
use crate::controllers::drive::Failed;
#[cfg(test)]
pub(super) use pods::trouble;
use verdict::{Verdict, verdict};

/// What Kubernetes says of a gateway's objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) deployment: Option<Deployment>,
    pub(super) service: Option<Service>,
    /// Why a pod does not run, if one does not.
    pub(super) trouble: Option<String>,
}

/// Pods that are looked at for trouble: it is mostly the same in all of them.
const PODS_LOOKED_AT: u32 = 20;

/// Looks at the gateway's objects.
pub(super) async fn look(gateway: &Gateway, client: &Client) -> Result<Seen, Failed> {
    let (name, namespace) = (names::name(gateway), names::namespace(gateway));
    let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
    let services = Api::<Service>::namespaced(client.clone(), &namespace);
    let deployment = deployments.get_opt(&name).await?;
    let service = services.get_opt(&name).await?;
    let mut trouble = None;
    if deployment.as_ref().is_some_and(|deployment| !verdict::settled(deployment)) {
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
        let mine = ListParams::default().labels(&names::selector(gateway).1).limit(PODS_LOOKED_AT);
        trouble = pods.list(&mine).await?.items.iter().find_map(pods::trouble);
    }
    Ok(Seen { deployment, service, trouble })
}

/// Stores what is known, if that is anything new.
pub(super) async fn store(
    gateway: &Gateway,
    seen: Result<Seen, Problem>,
    cluster: Option<&KafkaCluster>,
    client: &Client,
) -> Result<(), Failed> {
    let status = status(gateway, &seen, cluster, Time(Timestamp::now()));
    if gateway.status.as_ref() == Some(&status) {
        return Ok(());
    }
    if let Err(problem) = &seen {
        let (name, namespace) = (gateway.name_any(), names::namespace(gateway));
        tracing::warn!(namespace, name, reason = problem.reason, why = problem.message, "gateway");
    }
    let api = Api::<Gateway>::namespaced(client.clone(), &names::namespace(gateway));
    let patch = json!({
        "apiVersion": "klamm.dev/v1alpha1",
        "kind": "Gateway",
        "metadata": { "name": gateway.name_any(), "uid": gateway.uid() },
        "status": status,
    });
    let how = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&gateway.name_any(), &how, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        // It went meanwhile.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is to be stored: pure.
pub(super) fn status(
    gateway: &Gateway,
    seen: &Result<Seen, Problem>,
    cluster: Option<&KafkaCluster>,
    now: Time,
) -> GatewayStatus {
    let mut status = gateway.status.clone().unwrap_or_default();
    let Verdict { ready, reason, message } = match seen {
        Ok(seen) => {
            let counted = seen.deployment.as_ref().and_then(|it| it.status.as_ref()?.replicas);
            status.replicas = counted.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
            status.mqtt = verdict::address(gateway, seen.service.as_ref());
            verdict(gateway, seen, cluster)
        }
        Err(Problem { reason, message }) => {
            Verdict { ready: false, reason, message: message.clone() }
        }
    };
    status.selector = Some(names::selector(gateway).1);
    status.observed_generation = gateway.metadata.generation;
    let generation = gateway.metadata.generation;
    status.conditions.set("Ready", ready, reason, &message, generation, now);
    status
}
