//! `agent.json`: what the agent in the pod is started with.

use std::path::PathBuf;

use klamm_agent::protocol::{Config, Listener, Role};
use serde_json::json;

use super::super::{Inputs, NodeSpec, Validated};
use super::volume;
use crate::model::NodeId;

/// The subject of the operator's own certificate: the only one that the agent obeys.
pub fn operator(cluster: &str) -> String {
    format!("CN=klamm-operator,O={cluster}")
}

/// Where Kafka finds the certificate of a listener that has its own. Kafka wants key and chain in one file, Secrets of type
/// `kubernetes.io/tls` have two: the agent joins them.
pub fn keystore(listener: &str) -> String {
    format!("/run/kafka/listeners/{listener}.pem")
}

/// As JSON.
pub fn render(validated: &Validated, id: NodeId, node: &NodeSpec) -> String {
    let config = of(&validated.names.cluster, id, &node.inputs);
    serde_json::to_string(&config).expect("plain data with text as keys")
}

fn of(cluster: &str, id: NodeId, inputs: &Inputs) -> Config {
    let roles = [(Role::Broker, inputs.roles.broker), (Role::Controller, inputs.roles.controller)];
    let roles: Vec<Role> = roles.into_iter().filter_map(|(role, is)| is.then_some(role)).collect();
    let what_there_is_no_default_for = json!({
        "node_id": id.0,
        "cluster": cluster,
        "roles": roles,
        "log_dirs": volume::log_dirs(inputs),
        "metadata_dir": volume::metadata_dir(inputs),
        "operator": operator(cluster),
        "listeners": listeners(inputs),
    });
    serde_json::from_value(what_there_is_no_default_for).expect("the fields of the agent's Config")
}

/// Those with a certificate of their own.
fn listeners(inputs: &Inputs) -> Vec<Listener> {
    let own = |listener: &&klamm_crd::Listener| listener.has_own_certificate();
    let path = |name: &str, file: &str| format!("{}/{file}", volume::own_certificate(name)).into();
    let listener = |listener: &klamm_crd::Listener| Listener {
        name: listener.name.clone(),
        certificate: path(&listener.name, "tls.crt"),
        key: path(&listener.name, "tls.key"),
        keystore: keystore(&listener.name).into(),
    };
    inputs.listeners.iter().filter(own).map(listener).collect()
}

/// The same without what the volumes say already.
pub(super) fn without_disks(text: &str) -> String {
    let Ok(mut config) = serde_json::from_str::<Config>(text) else { return text.to_owned() };
    config.log_dirs.clear();
    config.metadata_dir = PathBuf::new();
    serde_json::to_string(&config).expect("plain data with text as keys")
}
