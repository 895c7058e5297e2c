//! Who may connect to a gateway's pods, and to whom they may connect.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use klamm_crd::Gateway;

use super::{HTTP_PORT, MQTT_PORT, names};
use crate::controllers::gateway::validate::Validated;

/// MQTT and health from everywhere; to the cluster's brokers and to DNS. What faces devices should reach no more than it needs.
pub(super) fn network_policy(gateway: &Gateway, validated: &Validated) -> NetworkPolicy {
    let brokers = NetworkPolicyPeer {
        namespace_selector: Some(labels(&[(
            "kubernetes.io/metadata.name",
            &validated.cluster_namespace,
        )])),
        pod_selector: Some(labels(&[
            ("klamm.dev/cluster", &validated.cluster),
            ("klamm.dev/broker", "true"),
        ])),
        ..Default::default()
    };
    let to_brokers = NetworkPolicyEgressRule {
        ports: Some(vec![port(validated.port, "TCP")]),
        to: Some(vec![brokers]),
    };
    // 5353 is where OpenShift's DNS pods listen.
    let dns = [53, 5353].into_iter().flat_map(|number| [port(number, "UDP"), port(number, "TCP")]);
    let to_dns = NetworkPolicyEgressRule { ports: Some(dns.collect()), to: None };
    let from_all = NetworkPolicyIngressRule {
        ports: Some(vec![port(MQTT_PORT, "TCP"), port(HTTP_PORT, "TCP")]),
        from: None,
    };
    NetworkPolicy {
        metadata: names::metadata(gateway),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(names::selector(gateway).0),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(vec![from_all]),
            egress: Some(vec![to_brokers, to_dns]),
        }),
    }
}

fn labels(pairs: &[(&str, &str)]) -> LabelSelector {
    let labels: BTreeMap<String, String> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    LabelSelector { match_labels: Some(labels), ..Default::default() }
}

fn port(number: u16, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some(protocol.to_owned()),
        ..Default::default()
    }
}
