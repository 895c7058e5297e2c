//! KafkaNodePool: nodes of a cluster that are alike.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Config, PodTemplate};

/// Nodes of a KafkaCluster that are alike.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "klamm.dev",
    version = "v1alpha1",
    kind = "KafkaNodePool",
    namespaced,
    doc = "Nodes of a KafkaCluster that are alike.",
    status = "KafkaNodePoolStatus",
    shortname = "knp",
    category = "klamm",
    derive = "PartialEq",
    derive = "Default",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(name = "Roles", type_ = "string", json_path = ".spec.roles"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodeIds"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 20").message("the name is part of other names: at most 20 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct KafkaNodePoolSpec {
    /// The KafkaCluster of the same namespace.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("a pool stays with its cluster: make another pool"))]
    pub cluster: String,
    /// How many nodes.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// What they do.
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("a node's roles stay: make another pool and scale this one down"))]
    pub roles: Vec<Role>,
    /// The lowest node id it gives out; ids that are taken are passed over. 0 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000000))]
    pub first_node_id: Option<u32>,
    /// The disks of each node; the first one has the metadata log. Without any, data is lost with the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub volumes: Vec<Volume>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// The Java process.
    #[serde(default)]
    pub jvm: Jvm,
    /// Properties for these nodes, over those of the cluster.
    #[serde(default)]
    pub config: Config,
    /// What is added to the pods.
    #[serde(default)]
    pub template: PodTemplate,
}

/// `process.roles`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Role {
    /// Keeps partitions and serves clients.
    Broker,
    /// Votes in the metadata quorum.
    Controller,
}

/// A disk: one PersistentVolumeClaim for each node, kept when the node or the cluster goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Part of its name; each once.
    #[schemars(range(min = 0, max = 99))]
    pub id: u32,
    /// It can grow and not shrink.
    pub size: Quantity,
    /// The StorageClass; the default one without it. It stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

/// The Java process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Jvm {
    /// `-Xms` and `-Xmx`, such as `4g`. Without it half of the memory limit, or of the request, at most 6 GiB; 512 MiB if there is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+[mMgG]$"))]
    pub heap: Option<String>,
    /// Further options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub options: Vec<String>,
}

/// What is known of a KafkaNodePool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaNodePoolStatus {
    /// `Accepted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Nodes there are.
    #[serde(default)]
    pub replicas: u32,
    /// Their labels, for the `scale` subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Their ids. Stored before a node is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_ids: Vec<u32>,
}
