//! Gateway: stateless `klamm` pods in front of a cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterRef, PodTemplate};

/// Stateless `klamm` pods in front of a KafkaCluster: MQTT in, Kafka out, and back.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "klamm.dev",
    version = "v1alpha1",
    kind = "Gateway",
    namespaced,
    doc = "Stateless klamm pods in front of a KafkaCluster: MQTT in, Kafka out, and back.",
    status = "GatewayStatus",
    shortname = "kgw",
    category = "klamm",
    derive = "PartialEq",
    derive = "Default",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.mqtt"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message"),
    validation = Rule::new("self.metadata.name.size() <= 50").message("the name is part of other names: at most 50 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// The cluster.
    #[x_kube(validation = Rule::new("self == oldSelf").message("a gateway stays with its cluster: make another Gateway"))]
    pub cluster: ClusterRef,
    /// Which of the cluster's listeners it connects to; the first one it can use without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The KafkaUser of the same namespace it connects as, if the listener wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How many pods. 2 without it.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// Another image; the operator's own setting without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// More of klamm's settings, as its file has them (TOML): routes and limits. What the operator sets itself (addresses, the cluster)
    /// is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub config: Option<String>,
    /// How clients reach it.
    #[serde(default)]
    pub service: GatewayService,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// What is added to the pods.
    #[serde(default)]
    pub template: PodTemplate,
}

fn two() -> u32 {
    2
}

/// How clients reach a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayService {
    /// The Service's type.
    #[serde(default, rename = "type")]
    pub kind: ServiceType,
    /// The port for MQTT; 1883 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub mqtt_port: Option<u16>,
    /// Annotations, for load balancers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The type of a Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// From inside the Kubernetes cluster.
    #[default]
    ClusterIP,
    /// On a port of every machine.
    NodePort,
    /// Through a load balancer of the cloud.
    LoadBalancer,
}

/// What is known of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods there are.
    #[serde(default)]
    pub replicas: u32,
    /// Their labels, for the `scale` subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// `host:port` for MQTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<String>,
}
