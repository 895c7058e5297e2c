//! A table of topics that answers like Kafka, as far as the operator asks.
//!
//! Everything happens at once and nothing is refused for want of replicas: moves are over when they are begun, every replica of a node that
//! runs is in sync, logs are empty.

mod cluster;
mod configs;
mod quorum;
mod topics;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use klamm_agent::protocol::Role;
use klamm_kafka_proto::messages::api_versions::{
    ApiVersion, ApiVersionsResponse, FinalizedFeature, SupportedFeature,
};
use klamm_kafka_proto::{ApiKey, ErrorCode, Request, Response, Str, Uuid};

use crate::agent::id;
use crate::world::{Name, World};

/// APIs that have an answer here.
const SERVED: &[ApiKey] = &[
    ApiKey::ApiVersions,
    ApiKey::Metadata,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::CreatePartitions,
    ApiKey::DescribeConfigs,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::DescribeCluster,
    ApiKey::UnregisterBroker,
    ApiKey::DescribeQuorum,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
];
/// `metadata.version` of Kafka 4.3.
const LEVEL: i16 = 30;

/// A cluster.
#[derive(Debug)]
pub struct Kafka {
    /// 22 characters.
    pub id: String,
    voters: BTreeMap<i32, Uuid>,
    brokers: BTreeMap<i32, Broker>,
    topics: BTreeMap<String, Topic>,
    /// What was set while it ran, by kind and name of the resource; of brokers only.
    set: BTreeMap<String, BTreeMap<String, String>>,
}

/// A registration.
#[derive(Debug)]
struct Broker {
    host: String,
    rack: Option<String>,
}

#[derive(Debug)]
struct Topic {
    id: Uuid,
    /// Replicas of each partition.
    partitions: Vec<Vec<i32>>,
    config: BTreeMap<String, String>,
}

impl Kafka {
    /// A cluster that was just formatted.
    pub fn new(id: String, voters: BTreeMap<i32, Uuid>) -> Self {
        let (brokers, topics, set) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { id, voters, brokers, topics, set }
    }

    /// A broker has started.
    pub fn register(&mut self, id: i32, host: &str, rack: Option<String>) {
        self.brokers.insert(id, Broker { host: host.to_owned(), rack });
    }

    /// The first voter that runs.
    fn leader(&self, here: &Here) -> i32 {
        let runs = |id: &&i32| here.nodes.get(id).is_some_and(|peer| peer.is_controller);
        self.voters.keys().find(runs).copied().unwrap_or(-1)
    }
}

/// Who is asked, and who else runs.
#[derive(Debug)]
pub struct Here {
    pub cluster: Name,
    /// By the listener `CONTROLLER`.
    by_controller: bool,
    node: i32,
    properties: BTreeMap<String, String>,
    log_dir: Str,
    nodes: BTreeMap<i32, Peer>,
}

/// A node that runs.
#[derive(Debug)]
struct Peer {
    host: String,
    is_broker: bool,
    is_controller: bool,
    directory: Uuid,
}

impl Here {
    /// None for a node that does not run.
    pub fn of(world: &World, at: Ipv4Addr, by_controller: bool) -> Option<Self> {
        let node = world.nodes.get(&at).filter(|node| node.started.is_some())?;
        let peers = world.nodes.values();
        let peers = peers.filter(|peer| peer.cluster == node.cluster && peer.started.is_some());
        let peer = |peer: &crate::world::Node| {
            let disk = world.disks.get(&peer.claim);
            let directory = disk.and_then(|disk| id(&disk.directory_id)).unwrap_or_default();
            let is_broker = peer.config.is(Role::Broker);
            let is_controller = peer.config.is(Role::Controller);
            let host = peer.host.clone();
            (peer.config.node_id, Peer { host, is_broker, is_controller, directory })
        };
        let log_dir = node.config.log_dirs.first().map(|dir| dir.display().to_string());
        Some(Self {
            cluster: node.cluster.clone(),
            by_controller,
            node: node.config.node_id,
            properties: node.properties.clone(),
            log_dir: log_dir.unwrap_or_default().as_str().into(),
            nodes: peers.map(peer).collect(),
        })
    }

    fn number<T: std::str::FromStr>(&self, property: &str, default: T) -> T {
        let value = self.properties.get(property).and_then(|value| value.parse().ok());
        value.unwrap_or(default)
    }

    fn is_in_service(&self, broker: i32) -> bool {
        self.nodes.get(&broker).is_some_and(|peer| peer.is_broker)
    }
}

/// None for what is not served.
pub fn answer(kafka: &mut Kafka, here: &Here, request: Request) -> Option<Response> {
    Some(match request {
        Request::ApiVersions(_) => api_versions(Some(LEVEL), ErrorCode::None).into(),
        Request::Metadata(request) => topics::metadata(kafka, here, &request).into(),
        Request::CreateTopics(request) => topics::create(kafka, here, &request).into(),
        Request::DeleteTopics(request) => topics::delete(kafka, &request).into(),
        Request::CreatePartitions(request) => topics::grow(kafka, here, &request).into(),
        Request::AlterPartitionReassignments(request) => topics::reassign(kafka, &request).into(),
        Request::ListPartitionReassignments(_) => topics::moving().into(),
        Request::DescribeLogDirs(_) => topics::log_dirs(kafka, here).into(),
        Request::DescribeConfigs(request) => configs::describe(kafka, here, &request).into(),
        Request::IncrementalAlterConfigs(request) => configs::alter(kafka, &request).into(),
        Request::DescribeCluster(request) => cluster::describe(kafka, here, &request).into(),
        Request::UnregisterBroker(request) => cluster::unregister(kafka, &request).into(),
        Request::DescribeQuorum(_) => quorum::describe(kafka, here).into(),
        Request::AddRaftVoter(request) => quorum::add(kafka, &request).into(),
        Request::RemoveRaftVoter(request) => quorum::remove(kafka, &request).into(),
        _ => return None,
    })
}

/// What is served, and the level of the metadata.
pub fn api_versions(level: Option<i16>, error: ErrorCode) -> ApiVersionsResponse {
    let served = |key: &ApiKey| ApiVersion {
        api_key: *key as i16,
        min_version: *key.versions().start(),
        max_version: *key.versions().end(),
    };
    let name = || Str::from_static("metadata.version");
    let supported =
        level.map(|level| SupportedFeature { name: name(), min_version: 7, max_version: level });
    let finalized = level.map(|level| FinalizedFeature {
        name: name(),
        max_version_level: level,
        min_version_level: level,
    });
    ApiVersionsResponse {
        error_code: error as i16,
        api_keys: SERVED.iter().map(served).collect(),
        supported_features: supported.into_iter().collect(),
        finalized_features_epoch: if level.is_some() { 1 } else { -1 },
        finalized_features: finalized.into_iter().collect(),
        ..ApiVersionsResponse::default()
    }
}

#[cfg(test)]
mod tests;
