//! KafkaUser: somebody who connects to a cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterRef, SecretKeyRef};

/// Somebody who connects to a KafkaCluster: credentials, what they may do, and how much of it.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "klamm.dev",
    version = "v1alpha1",
    kind = "KafkaUser",
    namespaced,
    doc = "Somebody who connects to a KafkaCluster: credentials, what they may do, and how much of it.",
    status = "KafkaUserStatus",
    shortname = "ku",
    category = "klamm",
    derive = "PartialEq",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster.name"),
    printcolumn(name = "Principal", type_ = "string", json_path = ".status.principal"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secret"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct KafkaUserSpec {
    /// The cluster.
    #[x_kube(validation = Rule::new("self == oldSelf").message("a user stays in its cluster: make another KafkaUser"))]
    pub cluster: ClusterRef,
    /// The name in Kafka; the resource's name without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-zA-Z0-9._-]+$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("make another KafkaUser"))]
    pub user_name: Option<String>,
    /// How it says who it is.
    pub authentication: Authentication,
    /// What it may do; only these and no others are in the cluster for this principal. Needs the cluster's `authorization`. Without
    /// this field its ACLs are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub acls: Option<Vec<Acl>>,
    /// How much of it. Without this field its quotas are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
    /// The Secret to write credentials and addresses into; the resource's name and `-kafka` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// The password of SCRAM; made up without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretKeyRef>,
}

/// How a user says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Authentication {
    /// SASL SCRAM-SHA-512: name and password. The principal is `User:NAME`.
    ScramSha512,
    /// A certificate of the cluster's clients' authority. The principal is `User:CN=NAME`.
    Tls,
    /// A certificate that somebody else makes (a clients' authority of your own). The principal is `User:CN=NAME`.
    TlsExternal,
}

/// What somebody may, or may not, do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acl {
    /// With what.
    pub resource: AclResource,
    /// Which operations.
    #[schemars(length(min = 1, max = 16))]
    pub operations: Vec<AclOperation>,
    /// From which address; from all without it.
    #[serde(default = "all")]
    pub host: String,
    /// Whether they may or may not.
    #[serde(default)]
    pub permission: AclPermission,
}

fn all() -> String {
    "*".to_owned()
}

/// With what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AclResource {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: AclResourceType,
    /// Its name; `*` for all. Not for `Cluster`.
    #[serde(default = "all")]
    pub name: String,
    /// What the name means.
    #[serde(default)]
    pub pattern_type: PatternType,
}

/// Kafka's types of resources.
#[expect(missing_docs, reason = "they speak for themselves")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AclResourceType {
    Topic,
    Group,
    Cluster,
    TransactionalId,
    DelegationToken,
    User,
}

/// What a resource's name means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PatternType {
    /// That resource.
    #[default]
    Literal,
    /// All whose names begin with it.
    Prefixed,
}

/// Kafka's operations.
#[expect(missing_docs, reason = "they speak for themselves")]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AclOperation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
    CreateTokens,
    DescribeTokens,
    TwoPhaseCommit,
}

/// Whether somebody may or may not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AclPermission {
    /// May.
    #[default]
    Allow,
    /// May not, whatever else is allowed.
    Deny,
}

/// How much.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// `producer_byte_rate`: bytes per second and broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub producer_byte_rate: Option<u64>,
    /// `consumer_byte_rate`: bytes per second and broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub consumer_byte_rate: Option<u64>,
    /// `request_percentage`: of the threads' time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub request_percentage: Option<u32>,
    /// `controller_mutation_rate`: partitions made or deleted per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_mutation_rate: Option<f64>,
}

/// What is known of a KafkaUser.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaUserStatus {
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Kafka's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The Secret with its credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The end of its certificate, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}
