//! A cluster that can be built.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use klamm_crd::{Authorization, Listener, PodTemplate};
use serde::Serialize;

use super::{Ids, Names};
use crate::model::{Fingerprint, NodeId, Roles};
use crate::{drain, roller};

/// A cluster that can be built.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The names of its objects.
    pub names: Names,
    /// The KafkaCluster as owner: of everything whose loss loses no data.
    pub owner: OwnerReference,
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// The ids of each pool; to be stored in its status before anything is applied.
    pub pools: BTreeMap<String, Ids>,
    /// The nodes there should be.
    pub nodes: BTreeMap<NodeId, NodeSpec>,
    /// The `metadata.version` to finalize once all nodes run the version.
    pub metadata_version: Option<String>,
    /// The label of a machine that names its failure domain.
    pub rack_label: Option<String>,
    /// When and how nodes are restarted.
    pub policy: roller::Policy,
    /// How replicas are moved.
    pub limits: drain::Limits,
    /// Brokers that join get their share.
    pub spread: bool,
    /// User and group ids are given to pods by the platform.
    pub openshift: bool,
    /// The image that has the agent in it.
    pub agent_image: String,
    /// What is strange and yet possible.
    pub warnings: Vec<String>,
}

/// A node there should be.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// What somebody wrote.
    pub inputs: Inputs,
    /// The size of each volume. Disks grow without a restart, so a size is no input of the pod.
    pub sizes: BTreeMap<u32, Quantity>,
    /// Heap of the Java process, in MiB.
    pub heap_mib: u64,
}

/// What somebody wrote that a node's pod is made of, and nothing that the operator adds to it.
///
/// As long as these stay the same, so does the pod, whatever a newer operator would make of them. So a field that is added here
/// must not be serialized while it has its default, and none may be renamed: that would restart every cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inputs {
    /// The cluster's name.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// The pool's name.
    pub pool: String,
    /// The node's id.
    pub id: NodeId,
    /// What it does.
    pub roles: Roles,
    /// Kafka's version.
    pub version: String,
    /// Another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Properties of the cluster and, over them, of the pool.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Where clients connect. A controller that is no broker has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// Who may do what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Brokers know their failure domain.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rack: bool,
    /// Its disks; the first one has the metadata log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Disk>,
    /// Requests and limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// The heap, if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<String>,
    /// Further options of the Java process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jvm_options: Vec<String>,
    /// What is added to the pod.
    pub template: PodTemplate,
    /// The last restart that somebody asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub restart: String,
}

/// A disk of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Part of its name.
    pub id: u32,
    /// The StorageClass; the default one without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl Inputs {
    /// Names these inputs.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }
}

impl Validated {
    /// How many brokers there should be.
    pub fn brokers(&self) -> usize {
        self.nodes.values().filter(|node| node.inputs.roles.broker).count()
    }

    /// Some node is both broker and controller.
    pub fn has_combined(&self) -> bool {
        self.nodes.values().any(|node| node.inputs.roles == Roles::COMBINED)
    }

    /// Ids of all nodes that there are or should be.
    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.pools.values().flat_map(Ids::stored).map(NodeId).collect()
    }
}
