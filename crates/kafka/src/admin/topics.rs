//! Topics: Metadata, CreateTopics, DeleteTopics, CreatePartitions.

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::create_partitions::{
    CreatePartitions, CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use klamm_kafka_proto::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopics,
    CreateTopicsRequest,
};
use klamm_kafka_proto::messages::delete_topics::{
    DeleteTopicState, DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse,
};
use klamm_kafka_proto::messages::metadata::{
    Metadata, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataTopic,
};
use klamm_kafka_proto::{Str, Uuid};

use super::{Admin, Outcomes, To, complete, moved_among, node, said};
use crate::KafkaError;
use crate::cluster::check;

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its id (KIP-516).
    pub id: Uuid,
    /// One of Kafka's own, such as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its partitions by number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub index: i32,
    /// Who leads it.
    pub leader: Option<i32>,
    /// Who has a replica, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// Replicas on brokers that are down, or on broken disks.
    pub offline: Vec<i32>,
}

/// A topic to be made. Without numbers it gets the cluster's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: Option<i32>,
    /// How many replicas of each.
    pub replication_factor: Option<i16>,
    /// Brokers of each partition, in place of both numbers.
    pub assignments: Vec<Vec<i32>>,
    /// Configurations that differ from the cluster's.
    pub configs: BTreeMap<String, String>,
}

/// A topic that was made, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: Uuid,
    /// How many partitions; -1 when that may not be told.
    pub partitions: i32,
    /// How many replicas of each; -1 when that may not be told.
    pub replication_factor: i16,
}

/// A topic that is to have more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// Its name.
    pub topic: String,
    /// How many in all.
    pub count: i32,
    /// Brokers of each new one; empty to have Kafka choose.
    pub assignments: Vec<Vec<i32>>,
}

impl Admin {
    /// Topics by name, or all. A cluster may have some 100,000 partitions: what is more takes more memory than a message may.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a topic stands in its outcome.
    pub async fn metadata(
        &mut self,
        topics: Option<&[&str]>,
    ) -> Result<Outcomes<String, TopicDescription>, KafkaError> {
        let named = |name: &&str| MetadataRequestTopic {
            name: Some(Str::from(*name)),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let response = self.call::<Metadata>(To::Any, &request, |r| r.error_code).await?;
        check(response.error_code, || "metadata".into())?;
        let mut outcomes: Outcomes<_, _> = response.topics.iter().map(described).collect();
        complete(&mut outcomes, topics.into_iter().flatten().map(|name| (*name).to_owned()));
        Ok(outcomes)
    }

    /// Makes topics, or only checks that they could be made.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a topic stands in its outcome.
    pub async fn create_topics(
        &mut self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Outcomes<String, CreatedTopic>, KafkaError> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let response = self
            .call::<CreateTopics>(To::Controller, &request, |response| {
                moved_among(response.topics.iter().map(|topic| topic.error_code))
            })
            .await?;
        let mut outcomes = Outcomes::new();
        for topic in &response.topics {
            let made = CreatedTopic {
                id: topic.topic_id,
                partitions: topic.num_partitions,
                replication_factor: topic.replication_factor,
            };
            let outcome = said(topic.error_code, topic.error_message.as_ref(), || {
                format!("create topic '{}'", topic.name)
            });
            outcomes.insert(topic.name.to_string(), outcome.map(|()| made));
        }
        complete(&mut outcomes, topics.iter().map(|topic| topic.name.clone()));
        Ok(outcomes)
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a topic stands in its outcome.
    pub async fn delete_topics(
        &mut self,
        names: &[&str],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let state = |name: &&str| DeleteTopicState {
            name: Some(Str::from(*name)),
            ..DeleteTopicState::default()
        };
        let topics = names.iter().map(state).collect();
        let old = names.iter().map(|name| Str::from(*name)).collect();
        let response = self.delete(topics, old).await?;
        let mut outcomes = Outcomes::new();
        for topic in &response.responses {
            let name = topic.name.as_deref().unwrap_or_default();
            let what = || format!("delete topic '{name}'");
            let outcome = said(topic.error_code, topic.error_message.as_ref(), what);
            outcomes.insert(name.to_owned(), outcome);
        }
        complete(&mut outcomes, names.iter().map(|name| (*name).to_owned()));
        Ok(outcomes)
    }

    /// Deletes topics by their ids: never another topic that has got the name meanwhile, whatever the broker has heard of yet.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a topic stands in its outcome.
    pub async fn delete_topics_by_id(
        &mut self,
        ids: &[Uuid],
    ) -> Result<Outcomes<Uuid, ()>, KafkaError> {
        let state = |id: &Uuid| DeleteTopicState { name: None, topic_id: *id };
        let response = self.delete(ids.iter().map(state).collect(), Vec::new()).await?;
        let mut outcomes = Outcomes::new();
        for topic in &response.responses {
            let name = topic.name.as_deref().unwrap_or("of an unknown id");
            let what = || format!("delete topic '{name}'");
            let outcome = said(topic.error_code, topic.error_message.as_ref(), what);
            outcomes.insert(topic.topic_id, outcome);
        }
        complete(&mut outcomes, ids.iter().copied());
        Ok(outcomes)
    }

    /// `topic_names` are the same once more, for versions that have only those.
    async fn delete(
        &mut self,
        topics: Vec<DeleteTopicState>,
        topic_names: Vec<Str>,
    ) -> Result<DeleteTopicsResponse, KafkaError> {
        let timeout_ms = self.timeout_ms();
        let request = DeleteTopicsRequest { topics, topic_names, timeout_ms };
        let moved = |response: &DeleteTopicsResponse| {
            moved_among(response.responses.iter().map(|topic| topic.error_code))
        };
        self.call::<DeleteTopics>(To::Controller, &request, moved).await
    }

    /// Adds partitions, or only checks that they could be added.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a topic stands in its outcome.
    pub async fn create_partitions(
        &mut self,
        topics: &[NewPartitions],
        validate_only: bool,
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let request = CreatePartitionsRequest {
            topics: topics.iter().map(grown).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let response = self
            .call::<CreatePartitions>(To::Controller, &request, |response| {
                moved_among(response.results.iter().map(|topic| topic.error_code))
            })
            .await?;
        let mut outcomes = Outcomes::new();
        for topic in &response.results {
            let what = || format!("add partitions to '{}'", topic.name);
            let outcome = said(topic.error_code, topic.error_message.as_ref(), what);
            outcomes.insert(topic.name.to_string(), outcome);
        }
        complete(&mut outcomes, topics.iter().map(|topic| topic.topic.clone()));
        Ok(outcomes)
    }
}

fn described(topic: &MetadataTopic) -> (String, Result<TopicDescription, KafkaError>) {
    let name = topic.name.as_deref().unwrap_or_default().to_owned();
    let outcome = check(topic.error_code, || format!("topic '{name}'"));
    let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    let found = TopicDescription { id: topic.topic_id, is_internal: topic.is_internal, partitions };
    (name, outcome.map(|()| found))
}

fn partition(partition: &MetadataPartition) -> PartitionDescription {
    PartitionDescription {
        index: partition.partition_index,
        leader: node(partition.leader_id),
        replicas: partition.replica_nodes.clone(),
        isr: partition.isr_nodes.clone(),
        offline: partition.offline_replicas.clone(),
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let config = |(name, value): (&String, &String)| CreatableTopicConfig {
        name: name.as_str().into(),
        value: Some(value.as_str().into()),
    };
    let assignment = |(index, brokers): (i32, &Vec<i32>)| CreatableReplicaAssignment {
        partition_index: index,
        broker_ids: brokers.clone(),
    };
    CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        assignments: (0..).zip(&topic.assignments).map(assignment).collect(),
        configs: topic.configs.iter().map(config).collect(),
    }
}

fn grown(topic: &NewPartitions) -> CreatePartitionsTopic {
    let assignment =
        |brokers: &Vec<i32>| CreatePartitionsAssignment { broker_ids: brokers.clone() };
    let assignments = topic.assignments.iter().map(assignment).collect();
    CreatePartitionsTopic {
        name: topic.topic.as_str().into(),
        count: topic.count,
        assignments: (!topic.assignments.is_empty()).then_some(assignments),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use klamm_kafka_proto::messages::metadata::MetadataResponse;
    use klamm_kafka_proto::{Api, Wire};

    use super::*;

    #[test]
    fn metadata_of_ten_thousand_topics_is_read() {
        let partition = MetadataPartition {
            replica_nodes: vec![3, 1, 2],
            isr_nodes: vec![3, 1],
            leader_id: 3,
            ..MetadataPartition::default()
        };
        let topic = |index: i32| MetadataTopic {
            name: Some(format!("topic-{index}").into()),
            partitions: vec![partition.clone(); 10],
            ..MetadataTopic::default()
        };
        let topics = (0..10_000).map(topic).collect();
        let (mut bytes, version) = (BytesMut::new(), Metadata::version(13));
        MetadataResponse { topics, ..MetadataResponse::default() }
            .write(&mut bytes, version)
            .unwrap();
        let response = MetadataResponse::read(&mut bytes.freeze(), version).unwrap();
        let found: Outcomes<_, _> = response.topics.iter().map(described).collect();
        assert_eq!(found.len(), 10_000);
        assert_eq!(found["topic-9999"].as_ref().unwrap().partitions[9].isr, [3, 1]);
    }
}
