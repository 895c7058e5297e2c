//! DescribeTopicPartitions: topics page by page (KIP-966).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsPartition, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, DescribeTopicPartitionsTopic,
};
use klamm_kafka_proto::{Nullable, Str};
use klamm_log::{LogError, Topic, validate_topic_name};

use super::metadata::TOPIC_OPERATIONS;
use super::{KafkaService, Refusal, wire_id};

/// Partitions of a page: Kafka's `max.request.partition.size.limit`.
const PAGE_PARTITIONS_MAX: i32 = 2000;

impl KafkaService {
    pub(super) fn describe_topic_partitions(
        &self,
        request: DescribeTopicPartitionsRequest,
    ) -> Answer {
        let limit = request.response_partition_limit.clamp(1, PAGE_PARTITIONS_MAX);
        let mut room = limit as u32;
        let mut names: Vec<Str> = match request.topics.is_empty() {
            true => self.log.list().iter().map(|topic| (&*topic.name).into()).collect(),
            false => request.topics.into_iter().map(|topic| topic.name).collect(),
        };
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        let from = request.cursor.0;
        if let Some(from) = &from {
            names.retain(|name| name.as_str() >= from.topic_name.as_str());
        }
        let mut response = DescribeTopicPartitionsResponse::default();
        for name in names {
            let first = from.as_ref().filter(|from| from.topic_name == name);
            let first = first.map_or(0, |from| u32::try_from(from.partition_index).unwrap_or(0));
            if room == 0 {
                response.next_cursor = cursor(name, 0);
                break;
            }
            let Some(topic) = self.log.find(&name) else {
                response.topics.push(unknown(name));
                continue;
            };
            let last = topic.partitions.min(first.saturating_add(room));
            room -= last.saturating_sub(first);
            response.topics.push(self.page(&topic, first, last));
            if last < topic.partitions {
                response.next_cursor = cursor(name, last);
                break;
            }
        }
        Answer::ready(response)
    }

    fn page(&self, topic: &Topic, first: u32, last: u32) -> DescribeTopicPartitionsTopic {
        let node = self.options.node_id;
        let partition = |index| DescribeTopicPartitionsPartition {
            partition_index: index as i32,
            leader_id: node,
            leader_epoch: self.leader_epoch(&topic.name, index),
            replica_nodes: vec![node],
            isr_nodes: vec![node],
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            ..Default::default()
        };
        DescribeTopicPartitionsTopic {
            name: Some((&*topic.name).into()),
            topic_id: wire_id(topic.id),
            is_internal: topic.internal,
            partitions: (first..last).map(partition).collect(),
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        }
    }
}

fn cursor(topic_name: Str, partition: u32) -> Nullable<Cursor> {
    Nullable(Some(Cursor { topic_name, partition_index: partition as i32 }))
}

fn unknown(name: Str) -> DescribeTopicPartitionsTopic {
    let error = validate_topic_name(&name);
    let error = error.err().unwrap_or_else(|| LogError::UnknownTopic((&*name).into()));
    DescribeTopicPartitionsTopic {
        error_code: Refusal::from(error).number(),
        name: Some(name),
        ..Default::default()
    }
}
