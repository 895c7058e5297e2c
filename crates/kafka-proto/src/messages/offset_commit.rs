//! OffsetCommit: how far a group has come.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// OffsetCommit (KIP-211 retention, KIP-320 leader epochs).
    OffsetCommit: OffsetCommitRequest => OffsetCommitResponse, versions 2..=9, flexible 8
}

structs! {
    /// Offsets to keep for a group.
    OffsetCommitRequest {
        group_id: Str [0..],
        generation_id_or_member_epoch: i32 [1..] = -1; ignorable,
        member_id: Str [1..]; ignorable,
        group_instance_id: Option<Str> [7..],
        retention_time_ms: i64 [2..=4] = -1; ignorable,
        topics: Vec<OffsetCommitTopic> [0..],
    }

    /// Of a topic.
    OffsetCommitTopic {
        name: Str [0..],
        partitions: Vec<OffsetCommitPartition> [0..],
    }

    /// Of a partition.
    OffsetCommitPartition {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [6..] = -1; ignorable,
        committed_metadata: Option<Str> [0..],
    }

    /// What became of each.
    OffsetCommitResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [3..]; ignorable,
        topics: Vec<OffsetCommitTopicResponse> [0..],
    }

    /// Of a topic.
    OffsetCommitTopicResponse {
        name: Str [0..],
        partitions: Vec<OffsetCommitPartitionResponse> [0..],
    }

    /// Of a partition.
    OffsetCommitPartitionResponse {
        partition_index: i32 [0..],
        error_code: i16 [0..],
    }
}
