//! A KafkaCluster and every object that matters for what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use klamm_crd::{KafkaCluster, KafkaNodePool};

use super::Names;

/// All that validation looks at.
#[derive(Debug, Clone, Default)]
pub struct Dereferenced {
    /// The cluster.
    pub cluster: KafkaCluster,
    /// The pools that name it.
    pub pools: Vec<KafkaNodePool>,
    /// StatefulSets with its label.
    pub stateful_sets: Vec<StatefulSet>,
    /// Pods with its label.
    pub pods: Vec<Pod>,
    /// PersistentVolumeClaims with its label.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Secrets that are there, of those with certificates of listeners' own, and their entries.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// User and group ids are given to pods by the platform.
    pub openshift: bool,
    /// The image that has the agent in it.
    pub agent_image: String,
    /// The namespace of it all.
    pub namespace: String,
}

impl Dereferenced {
    /// The Secrets with certificates of listeners' own, to be looked up.
    pub fn secrets_named(names: &Names, cluster: &KafkaCluster) -> BTreeSet<String> {
        let own = |listener| names.own_certificate(listener);
        cluster.spec.listeners.iter().filter_map(own).collect()
    }
}
