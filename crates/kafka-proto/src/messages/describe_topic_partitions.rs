//! DescribeTopicPartitions: topics a page at a time.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DescribeTopicPartitions (KIP-966).
    DescribeTopicPartitions: DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse, versions 0..=0, flexible 0
}

structs! {
    /// Which topics, and where the page begins.
    DescribeTopicPartitionsRequest {
        topics: Vec<TopicRequest> [0..],
        response_partition_limit: i32 [0..] = 2000,
        cursor: Nullable<Cursor> [0..],
    }

    /// A topic.
    TopicRequest {
        name: Str [0..],
    }

    /// The first partition of a page.
    Cursor {
        topic_name: Str [0..],
        partition_index: i32 [0..],
    }

    /// A page.
    DescribeTopicPartitionsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        topics: Vec<DescribeTopicPartitionsTopic> [0..],
        next_cursor: Nullable<Cursor> [0..],
    }

    /// A topic.
    DescribeTopicPartitionsTopic {
        error_code: i16 [0..],
        name: Option<Str> [0..],
        topic_id: Uuid [0..],
        is_internal: bool [0..],
        partitions: Vec<DescribeTopicPartitionsPartition> [0..],
        topic_authorized_operations: i32 [0..] = i32::MIN,
    }

    /// A partition.
    DescribeTopicPartitionsPartition {
        error_code: i16 [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [0..] = -1,
        replica_nodes: Vec<i32> [0..],
        isr_nodes: Vec<i32> [0..],
        eligible_leader_replicas: Option<Vec<i32>> [0..],
        last_known_elr: Option<Vec<i32>> [0..],
        offline_replicas: Vec<i32> [0..],
    }
}
