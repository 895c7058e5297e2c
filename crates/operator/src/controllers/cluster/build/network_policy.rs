//! Who may connect to what: the cluster's own ports are for its nodes and the operator, the others for everybody.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::Validated;
use super::super::names::{AGENT_PORT, CONTROLLER_PORT, INTERNAL_PORT};
use super::metadata;

pub(super) fn build(validated: &Validated) -> NetworkPolicy {
    let own = NetworkPolicyIngressRule {
        from: Some(vec![
            NetworkPolicyPeer {
                pod_selector: Some(validated.names.label_selector([])),
                ..NetworkPolicyPeer::default()
            },
            operator(),
        ]),
        ports: Some([CONTROLLER_PORT, INTERNAL_PORT, AGENT_PORT].map(port).into()),
    };
    let clients = NetworkPolicyIngressRule {
        from: None,
        ports: Some(validated.listeners.iter().map(|listener| port(listener.port)).collect()),
    };
    NetworkPolicy {
        metadata: metadata(validated, format!("{}-kafka", validated.names.cluster)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(validated.names.label_selector([])),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![own, clients]),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// In whichever namespace it is.
fn operator() -> NetworkPolicyPeer {
    let name = [("app.kubernetes.io/name".to_owned(), "klamm-operator".to_owned())];
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(LabelSelector {
            match_labels: Some(name.into()),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn port(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(port))),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    }
}
