//! Every object of a cluster, a file for each kind.

pub mod agent;
pub mod certificate;
mod container;
pub mod defaults;
mod disruption_budget;
pub mod log4j2;
mod network_policy;
mod pod;
pub mod properties;
mod service;
mod service_account;
mod stateful_set;
#[cfg(test)]
mod tests;
mod volume;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;

use super::{NodeSpec, Validated};
use crate::model::NodeId;

/// Every object of a cluster that is made of its KafkaCluster and its pools; Secrets are not among them.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// For pods that name no other.
    pub service_account: ServiceAccount,
    /// Names of nodes, of the controllers, and for clients.
    pub services: Vec<Service>,
    /// One node of a role at a time.
    pub budgets: Vec<PodDisruptionBudget>,
    /// Who may connect to what.
    pub network_policy: NetworkPolicy,
    /// cert-manager's Certificates for listeners.
    pub certificates: Vec<DynamicObject>,
    /// The nodes that should be, as they would be made today: what is applied is for
    /// [`keep_or_replace`](super::setup::keep_or_replace) to say.
    pub stateful_sets: BTreeMap<NodeId, StatefulSet>,
}

/// Builds all of them.
pub fn build(validated: &Validated) -> Manifests {
    let set = |(id, node): (&NodeId, &NodeSpec)| (*id, stateful_set::build(validated, *id, node));
    Manifests {
        service_account: service_account::build(validated),
        services: service::build(validated),
        budgets: disruption_budget::build(validated),
        network_policy: network_policy::build(validated),
        certificates: certificate::build(validated),
        stateful_sets: validated.nodes.iter().map(set).collect(),
    }
}

/// The metadata of what belongs to the cluster as a whole, and goes with it.
fn metadata(validated: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(validated.names.namespace.clone()),
        labels: Some(validated.names.labels()),
        owner_references: Some(vec![validated.owner.clone()]),
        ..ObjectMeta::default()
    }
}
