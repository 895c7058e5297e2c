//! OffsetDelete: forget offsets of a group.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// OffsetDelete (KIP-496). It never became flexible.
    OffsetDelete: OffsetDeleteRequest => OffsetDeleteResponse, versions 0..=0, flexible i16::MAX
}

structs! {
    /// Which offsets.
    OffsetDeleteRequest {
        group_id: Str [0..],
        topics: Vec<OffsetDeleteTopic> [0..],
    }

    /// Of a topic.
    OffsetDeleteTopic {
        name: Str [0..],
        partitions: Vec<OffsetDeletePartition> [0..],
    }

    /// Of a partition.
    OffsetDeletePartition {
        partition_index: i32 [0..],
    }

    /// What became of each.
    OffsetDeleteResponse {
        error_code: i16 [0..],
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        topics: Vec<OffsetDeleteTopicResponse> [0..],
    }

    /// Of a topic.
    OffsetDeleteTopicResponse {
        name: Str [0..],
        partitions: Vec<OffsetDeletePartitionResponse> [0..],
    }

    /// Of a partition.
    OffsetDeletePartitionResponse {
        partition_index: i32 [0..],
        error_code: i16 [0..],
    }
}
