//! A whole cluster at one moment, as far as several answers are one moment.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka_proto::ErrorCode;

use super::{
    Admin, ClusterDescription, ConfigEntry, LogDir, Node, Outcomes, PartitionDescription,
    QuorumDescription, Reassignment, Resource, TopicDescription, TopicPartition,
};
use crate::KafkaError;

/// What decisions about a cluster look at.
#[derive(Debug, Clone)]
pub struct ClusterSnapshot {
    /// The cluster's id, 22 characters.
    pub cluster_id: String,
    /// Brokers that are registered, fenced or not.
    pub brokers: Vec<Node>,
    /// Every partition of every topic.
    pub partitions: Vec<PartitionSnapshot>,
    /// The metadata quorum.
    pub quorum: QuorumDescription,
    /// What was set for each broker, or for all, while it ran; an error where the broker did not answer.
    pub broker_configs: Outcomes<i32, Vec<ConfigEntry>>,
    /// What is on each broker's disks; an error where the broker did not answer.
    pub log_dirs: Outcomes<i32, Vec<LogDir>>,
}

/// A partition with all that is said about it in different places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSnapshot {
    /// Which.
    pub partition: TopicPartition,
    /// Who leads it.
    pub leader: Option<i32>,
    /// Who has or gets a replica, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// Those of `replicas` that a reassignment adds.
    pub adding: Vec<i32>,
    /// Those of `replicas` that a reassignment takes away.
    pub removing: Vec<i32>,
    /// `min.insync.replicas` of its topic.
    pub min_isr: usize,
    /// Size of its largest replica; 0 while no broker with one answers.
    pub bytes: u64,
}

const MIN_ISR: &str = "min.insync.replicas";
const THROTTLES: [&str; 2] =
    ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];

impl ClusterSnapshot {
    /// The smallest replication throttle that is set for a broker, in bytes per second.
    pub fn throttle_bytes_per_s(&self) -> Option<u64> {
        let entries = self.broker_configs.values().flatten().flatten();
        let throttles = entries.filter(|entry| THROTTLES.contains(&entry.name.as_str()));
        throttles.filter_map(|entry| entry.value.as_ref()?.parse().ok()).min()
    }
}

impl Admin {
    /// Asks for everything, through brokers. Two questions for each broker, the others for the whole cluster: one for each thousand topics, and
    /// four.
    ///
    /// # Errors
    /// Of the connection or the controller. Single brokers that do not answer are no error of the whole.
    pub async fn snapshot(&mut self) -> Result<ClusterSnapshot, KafkaError> {
        let ClusterDescription { cluster_id, nodes: brokers, .. } = self.describe_cluster().await?;
        let quorum = self.describe_quorum().await?;
        // Before the metadata: a reassignment that ends in between is taken for one that goes on, and not the other way around.
        let moving = self.list_partition_reassignments().await?;
        let mut topics = described(self.metadata(None).await?);
        let min_isr = self.min_isr(&topics).await?;
        // A topic that was deleted since is left out.
        topics.retain(|name, _| min_isr.contains_key(name));
        let answering = brokers.iter().filter(|broker| !broker.is_fenced);
        let answering: BTreeSet<i32> = answering.map(|broker| broker.id).collect();
        let log_dirs = self.describe_log_dirs(&answering).await;
        let broker_configs = self.dynamic_broker_configs(&answering).await?;
        let facts = Facts { moving, min_isr, bytes: sizes(&log_dirs) };
        let partitions = topics
            .iter()
            .flat_map(|(name, topic)| topic.partitions.iter().map(move |p| (name, p)))
            .map(|(name, partition)| facts.of(name, partition))
            .collect();
        Ok(ClusterSnapshot { cluster_id, brokers, partitions, quorum, broker_configs, log_dirs })
    }

    async fn min_isr(
        &mut self,
        topics: &BTreeMap<String, TopicDescription>,
    ) -> Result<BTreeMap<String, usize>, KafkaError> {
        let resources: Vec<_> = topics.keys().cloned().map(Resource::Topic).collect();
        let found = self.describe_configs(&resources, Some(&[MIN_ISR])).await?;
        let mut min_isr = BTreeMap::new();
        for (resource, outcome) in found {
            let Resource::Topic(name) = resource else { continue };
            let entries = match outcome {
                Err(e) if e.code() == Some(ErrorCode::UnknownTopicOrPartition) => continue,
                outcome => outcome?,
            };
            let entry = entries.into_iter().find(|entry| entry.name == MIN_ISR);
            let value = entry.and_then(|entry| entry.value?.parse().ok());
            let missing = || KafkaError::Refused {
                what: format!("{MIN_ISR} of '{name}'"),
                code: ErrorCode::UnknownServerError,
                message: None,
            };
            min_isr.insert(name.clone(), value.ok_or_else(missing)?);
        }
        Ok(min_isr)
    }
}

/// Topics without those that are being deleted or made.
fn described(topics: Outcomes<String, TopicDescription>) -> BTreeMap<String, TopicDescription> {
    topics.into_iter().filter_map(|(name, topic)| Some((name, topic.ok()?))).collect()
}

fn sizes(log_dirs: &Outcomes<i32, Vec<LogDir>>) -> BTreeMap<TopicPartition, u64> {
    let mut sizes = BTreeMap::new();
    let dirs = log_dirs.values().flatten().flatten();
    for replica in dirs.flat_map(|dir| &dir.replicas).filter(|replica| !replica.is_future) {
        let size = sizes.entry(replica.partition.clone()).or_insert(0);
        *size = replica.bytes.max(*size);
    }
    sizes
}

struct Facts {
    moving: BTreeMap<TopicPartition, Reassignment>,
    min_isr: BTreeMap<String, usize>,
    bytes: BTreeMap<TopicPartition, u64>,
}

impl Facts {
    fn of(&self, topic: &str, partition: &PartitionDescription) -> PartitionSnapshot {
        let of = TopicPartition { topic: topic.to_owned(), partition: partition.index };
        let moving = self.moving.get(&of);
        // What the metadata, which is younger, does not have among the replicas any more has left already.
        let still = |nodes: &Vec<i32>| {
            nodes.iter().copied().filter(|node| partition.replicas.contains(node)).collect()
        };
        PartitionSnapshot {
            leader: partition.leader,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            adding: moving.map(|moving| still(&moving.adding)).unwrap_or_default(),
            removing: moving.map(|moving| still(&moving.removing)).unwrap_or_default(),
            min_isr: self.min_isr[topic],
            bytes: self.bytes.get(&of).copied().unwrap_or_default(),
            partition: of,
        }
    }
}
