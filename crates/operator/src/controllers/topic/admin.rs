//! What the controller asks of Kafka. All of it is in batches.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka::KafkaError;
use klamm_kafka::admin::Outcomes;

use super::assign::Brokers;

/// A topic as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its id.
    pub(crate) id: String,
    /// The replicas of each partition, by its number.
    pub(crate) partitions: Vec<Vec<i32>>,
}

impl Found {
    /// Replicas of the partition that has most.
    pub(crate) fn replicas(&self) -> usize {
        self.partitions.iter().map(Vec::len).max().unwrap_or_default()
    }
}

/// A topic to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Creation {
    pub(crate) name: String,
    pub(crate) partitions: Option<u32>,
    pub(crate) replicas: Option<u32>,
    pub(crate) config: BTreeMap<String, String>,
}

/// A topic that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) partitions: Option<u32>,
    pub(crate) replicas: Option<u32>,
}

/// Properties of a topic to be changed: values, or none to take them away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Alteration {
    pub(crate) topic: String,
    pub(crate) changes: BTreeMap<String, Option<String>>,
}

/// New replicas of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) topic: String,
    pub(crate) partition: usize,
    pub(crate) replicas: Vec<i32>,
}

type Answer<T> = Result<T, KafkaError>;

/// Kafka, as far as topics go. Errors of a whole call are those of the connection.
pub(crate) trait TopicAdmin: Send {
    /// Topics by name, or all there are.
    fn topics(
        &mut self,
        names: Option<&[&str]>,
    ) -> impl Future<Output = Answer<Outcomes<String, Found>>> + Send;

    /// Of these properties those that are set for the topics themselves.
    fn configs(
        &mut self,
        topics: &[&str],
        keys: &BTreeSet<&str>,
    ) -> impl Future<Output = Answer<Outcomes<String, BTreeMap<String, String>>>> + Send;

    fn create(
        &mut self,
        topics: &[Creation],
    ) -> impl Future<Output = Answer<Outcomes<String, Created>>> + Send;

    /// Adds partitions until there are so many.
    fn grow(
        &mut self,
        topics: &[(&str, u32)],
    ) -> impl Future<Output = Answer<Outcomes<String, ()>>> + Send;

    fn alter(
        &mut self,
        alterations: &[Alteration],
    ) -> impl Future<Output = Answer<Outcomes<String, ()>>> + Send;

    /// Deletes topics by id, which the controller knows and a broker may not have heard of yet.
    fn delete(&mut self, ids: &[&str])
    -> impl Future<Output = Answer<Outcomes<String, ()>>> + Send;

    /// The brokers in service.
    fn brokers(&mut self) -> impl Future<Output = Answer<Brokers>> + Send;

    /// Partitions whose replicas are being moved, and the replicas they will have.
    fn moving(
        &mut self,
    ) -> impl Future<Output = Answer<BTreeMap<(String, usize), Vec<i32>>>> + Send;

    /// Begins to move replicas; the first error of each topic.
    fn reassign(
        &mut self,
        moves: &[Move],
    ) -> impl Future<Output = Answer<Outcomes<String, ()>>> + Send;
}
