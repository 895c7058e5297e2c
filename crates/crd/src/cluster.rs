//! KafkaCluster: an Apache Kafka cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::yes;
use crate::{Config, Listener, Rollout, SecretRef};

/// An Apache Kafka cluster. Its nodes are declared by KafkaNodePools that name it.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "klamm.dev",
    version = "v1alpha1",
    kind = "KafkaCluster",
    namespaced,
    doc = "An Apache Kafka cluster. Its nodes are declared by KafkaNodePools that name it.",
    status = "KafkaClusterStatus",
    shortname = "kc",
    category = "klamm",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodesReady"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40").message("the name is part of other names: at most 40 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterSpec {
    /// Apache Kafka's version, 4.2.0 at least.
    #[schemars(regex(pattern = "^[0-9]+\\.[0-9]+\\.[0-9]+$"))]
    pub version: String,
    /// Another image with the interface of the official one, which is taken without it (`docker.io/apache/kafka:VERSION`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The `metadata.version` that is finalized once all nodes run `version`, such as `4.3-IV0`; it cannot be taken
    /// back. Without it the cluster stays at what it has, and the version can be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_version: Option<String>,
    /// Properties for all nodes.
    #[serde(default)]
    pub config: Config,
    /// Where clients connect; one without encryption and authentication on port 9092 if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub listeners: Vec<Listener>,
    /// Who may do what is decided by ACLs (Kafka's StandardAuthorizer). Without it everybody who can connect may do everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// When and how nodes are restarted.
    #[serde(default)]
    pub rollout: Rollout,
    /// How replicas are moved.
    #[serde(default)]
    pub reassignment: Reassignment,
    /// Brokers know their failure domain and partitions are spread over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<Rack>,
    /// How long certificates are valid.
    #[serde(default)]
    pub certificates: Certificates,
    /// What KafkaTopics and KafkaUsers of other namespaces may name. Those of the cluster's own namespace may name anything that is
    /// claimed by no rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub claims: Vec<Claim>,
    /// Nothing is touched while it is true.
    #[serde(default)]
    pub paused: bool,
}

/// Who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Principals that may do everything, such as `User:admin` or `User:CN=admin`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub super_users: Vec<String>,
}

/// How replicas are moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reassignment {
    /// Bytes per second and broker that moving may take. 50 MB/s without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub throttle_bytes_per_second: Option<u64>,
    /// Partitions that move together. 20 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub partitions_max: Option<u32>,
    /// Brokers that join get their share of what is there. True without it.
    #[serde(default = "yes")]
    pub spread: bool,
}

impl Default for Reassignment {
    fn default() -> Self {
        Self { throttle_bytes_per_second: None, partitions_max: None, spread: true }
    }
}

/// Failure domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rack {
    /// The label of a machine that names its failure domain.
    #[serde(default = "zone")]
    pub topology_key: String,
}

fn zone() -> String {
    "topology.kubernetes.io/zone".to_owned()
}

/// Who issues certificates and how long they are valid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificates {
    /// Of the authorities (365 and 30 days without it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<CertificatePolicy>,
    /// Of the nodes (365 and 30 days without it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<CertificatePolicy>,
    /// Of the users (365 and 30 days without it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<CertificatePolicy>,
    /// A new authority signs for nodes once everything trusts it and clients had so many days to load the new trust Secret (7 without it, or a
    /// quarter of `renewBeforeDays` of `authority` if that is less).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 365))]
    pub trust_grace_days: Option<u32>,
    /// An authority that signs for users no more is trusted for so many days, in which applications load their new certificates (14 without it,
    /// or as above).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 365))]
    pub user_grace_days: Option<u32>,
    /// Your own authority for nodes: a Secret with `ca.crt` and `ca.key`, or of cert-manager. The operator's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_authority: Option<SecretRef>,
    /// Your own authority for users, in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients_authority: Option<SecretRef>,
}

/// How long a certificate is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.renewBeforeDays < self.validityDays")
    .message("renewBeforeDays must be less than validityDays"))]
pub struct CertificatePolicy {
    /// Days.
    #[schemars(range(min = 1, max = 3650))]
    pub validity_days: u32,
    /// So many days before its end it is replaced.
    #[schemars(range(min = 0, max = 3649))]
    pub renew_before_days: u32,
}

/// What resources of other namespaces may name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.namespaces) != has(self.namespaceSelector)")
    .message("give namespaces or namespaceSelector"))]
pub struct Claim {
    /// The namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub namespaces: Option<Vec<String>>,
    /// Namespaces with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Topics they may name: a name, or what it begins with and `*`; `{namespace}` stands for the namespace's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub topics: Vec<String>,
    /// Users they may name, in the same way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub users: Vec<String>,
}

/// What is known of a KafkaCluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterStatus {
    /// `Ready`, `Progressing`, `Degraded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Kafka's own name for the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The version that all nodes run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The finalized `metadata.version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_version: Option<String>,
    /// Such as `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_ready: Option<String>,
    /// The active controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_controller: Option<u32>,
    /// Where clients connect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerStatus>,
    /// The nodes, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Every restart that is due, in its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// What the operator keeps of the quorum and the roll between two looks, as JSON: Kubernetes would round its numbers. Not to be
    /// edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

/// Where clients connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// The Secret with the authority to trust (`ca.crt`), if the listener is encrypted with a certificate of the cluster's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_secret: Option<String>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its pool.
    pub pool: String,
    /// What its pod does.
    pub state: String,
    /// Its failure domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The identity of its metadata disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// Every restart that is due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// What `spec.rollout.approved` names.
    pub fingerprint: String,
    /// In their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<PlannedRestart>,
    /// Properties that are changed while nodes run, by node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alterations: BTreeMap<String, Vec<String>>,
    /// Why the roll stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// A restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedRestart {
    /// Restarts of one step go together.
    pub step: u32,
    /// The node.
    pub node: u32,
    /// Why.
    pub reasons: Vec<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}
