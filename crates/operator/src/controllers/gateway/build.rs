//! The Kubernetes objects of a gateway: pure.

mod deployment;
mod network_policy;
mod pod;
mod service;
mod settings;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use klamm_crd::Gateway;

use super::names;
use super::validate::Validated;

/// What does not come from the resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The image of gateways that name none.
    pub(super) image: &'a str,
    /// User and group ids are given by the platform.
    pub(super) openshift: bool,
}

/// All of them, in the order they are applied.
#[derive(Debug, Clone)]
pub(super) struct Built {
    /// None if the pods have one that somebody else looks after.
    pub(super) service_account: Option<ServiceAccount>,
    pub(super) config: ConfigMap,
    pub(super) network_policy: NetworkPolicy,
    pub(super) budget: PodDisruptionBudget,
    pub(super) service: Service,
    pub(super) deployment: Deployment,
}

/// The port of MQTT in the pods.
const MQTT_PORT: u16 = 1883;
/// The port of health and metrics in the pods.
const HTTP_PORT: u16 = 8080;

pub(super) fn build(
    gateway: &Gateway,
    validated: &Validated,
    surroundings: &Surroundings<'_>,
) -> Built {
    let config = settings::config_map(gateway, validated);
    let revision = settings::revision(&config, validated);
    Built {
        service_account: service_account(gateway),
        network_policy: network_policy::network_policy(gateway, validated),
        budget: budget(gateway),
        service: service::service(gateway),
        deployment: deployment::deployment(gateway, validated, surroundings, &revision),
        config,
    }
}

/// It may do nothing: gateways do not speak to Kubernetes.
fn service_account(gateway: &Gateway) -> Option<ServiceAccount> {
    if gateway.spec.template.service_account_name.is_some() {
        return None;
    }
    Some(ServiceAccount {
        metadata: names::metadata(gateway),
        automount_service_account_token: Some(false),
        ..Default::default()
    })
}

/// Machines are emptied one pod at a time. A single pod is given up too, or its machine could not be emptied at all.
fn budget(gateway: &Gateway) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: names::metadata(gateway),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(names::selector(gateway).0),
            ..Default::default()
        }),
        ..Default::default()
    }
}
