//! ListOffsets: offsets by position or time.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// ListOffsets (KIP-79, KIP-734 max timestamp).
    ListOffsets: ListOffsetsRequest => ListOffsetsResponse, versions 1..=10, flexible 6
}

structs! {
    /// Questions for offsets.
    ListOffsetsRequest {
        replica_id: i32 [0..] = -1,
        isolation_level: i8 [2..]; ignorable,
        topics: Vec<ListOffsetsTopic> [0..],
        timeout_ms: i32 [10..]; ignorable,
    }

    /// Of a topic.
    ListOffsetsTopic {
        name: Str [0..],
        partitions: Vec<ListOffsetsPartition> [0..],
    }

    /// Of a partition.
    ListOffsetsPartition {
        partition_index: i32 [0..],
        current_leader_epoch: i32 [4..] = -1; ignorable,
        /// Milliseconds since 1970; -1 latest, -2 earliest, -3 of the largest timestamp.
        timestamp: i64 [0..],
    }

    /// Answers.
    ListOffsetsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [2..]; ignorable,
        topics: Vec<ListOffsetsTopicResponse> [0..],
    }

    /// Of a topic.
    ListOffsetsTopicResponse {
        name: Str [0..],
        partitions: Vec<ListOffsetsPartitionResponse> [0..],
    }

    /// Of a partition.
    ListOffsetsPartitionResponse {
        partition_index: i32 [0..],
        error_code: i16 [0..],
        timestamp: i64 [1..] = -1; ignorable,
        offset: i64 [1..] = -1; ignorable,
        leader_epoch: i32 [4..] = -1; ignorable,
    }
}
