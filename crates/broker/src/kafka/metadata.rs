//! Metadata: the one broker, and the topics it leads.

use klamm_kafka::server::{Answer, Context};
use klamm_kafka_proto::messages::metadata::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse,
    MetadataTopic,
};
use klamm_kafka_proto::{ErrorCode, Str, Uuid};
use klamm_log::{Log, LogError, NewTopic, Topic, validate_topic_name};

use super::{KafkaService, Refusal, wire_id};

/// Bits of `authorized_operations` (KIP-430) that a topic has. Nothing is forbidden to anyone yet.
pub(super) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000; // read 3 to describe 8, describe and alter configs 10, 11
/// Those of the cluster: create 5, alter 7 to idempotent write 12.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

impl KafkaService {
    pub(super) async fn metadata(
        &self,
        context: &Context,
        version: i16,
        request: MetadataRequest,
    ) -> Answer {
        let create = self.options.auto_create_topics && request.allow_auto_topic_creation;
        let mut topics = match request.topics {
            Some(asked) if version > 0 || !asked.is_empty() => {
                let mut topics = Vec::with_capacity(asked.len());
                for topic in &asked {
                    topics.push(self.describe_or_create(topic, create).await);
                }
                topics
            }
            _ => self.log.list().iter().map(|topic| self.describe(topic)).collect(),
        };
        if request.include_topic_authorized_operations {
            topics.iter_mut().for_each(|t| t.topic_authorized_operations = TOPIC_OPERATIONS);
        }
        let (host, port) = self.address(context);
        let cluster_authorized_operations = match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => i32::MIN,
        };
        Answer::ready(MetadataResponse {
            brokers: vec![MetadataBroker { node_id: self.options.node_id, host, port, rack: None }],
            cluster_id: Some(self.log.cluster_id().into()),
            controller_id: self.options.node_id,
            topics,
            cluster_authorized_operations,
            ..Default::default()
        })
    }

    async fn describe_or_create(
        &self,
        asked: &MetadataRequestTopic,
        create: bool,
    ) -> MetadataTopic {
        let Some(name) = &asked.name else {
            return match self.topic_by(Some(asked.topic_id), "") {
                Ok(topic) => self.describe(&topic),
                Err(refusal) => unknown(None, asked.topic_id, &refusal),
            };
        };
        let found = match self.log.find(name) {
            Some(topic) => Ok(topic),
            None if create => self.auto_create(name).await,
            None => validate_topic_name(name)
                .and_then(|()| Err(LogError::UnknownTopic((&**name).into()))),
        };
        match found {
            Ok(topic) => self.describe(&topic),
            Err(error) => unknown(Some(name.clone()), Uuid::default(), &error.into()),
        }
    }

    async fn auto_create(&self, name: &str) -> Result<Topic, LogError> {
        let new = NewTopic {
            name: name.to_owned(),
            partitions: Some(self.options.default_partitions),
            ..NewTopic::default()
        };
        match self.log.create_topic(new).await {
            Ok(topic) => {
                tracing::info!(topic = name, partitions = topic.partitions, "topic made on demand");
                Ok(topic)
            }
            // Two clients asked at the same time.
            Err(LogError::TopicExists(_)) => {
                self.log.find(name).ok_or_else(|| LogError::UnknownTopic(name.into()))
            }
            Err(error) => Err(error),
        }
    }

    fn describe(&self, topic: &Topic) -> MetadataTopic {
        let node = self.options.node_id;
        let partition = |index| MetadataPartition {
            error_code: ErrorCode::None as i16,
            partition_index: index as i32,
            leader_id: node,
            leader_epoch: self.leader_epoch(&topic.name, index),
            replica_nodes: vec![node],
            isr_nodes: vec![node],
            offline_replicas: Vec::new(),
        };
        MetadataTopic {
            name: Some((&*topic.name).into()),
            topic_id: wire_id(topic.id),
            is_internal: topic.internal,
            partitions: (0..topic.partitions).map(partition).collect(),
            ..Default::default()
        }
    }

    /// -1 when the topic was deleted meanwhile.
    pub(super) fn leader_epoch(&self, topic: &str, index: u32) -> i32 {
        self.log.open_partition(topic, index).map_or(-1, |partition| partition.leader_epoch())
    }
}

fn unknown(name: Option<Str>, topic_id: Uuid, refusal: &Refusal) -> MetadataTopic {
    MetadataTopic { error_code: refusal.number(), name, topic_id, ..Default::default() }
}
