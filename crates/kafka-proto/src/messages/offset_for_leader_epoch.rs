//! OffsetForLeaderEpoch: where a leader epoch ended.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// OffsetForLeaderEpoch (KIP-101, KIP-320).
    OffsetForLeaderEpoch: OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse, versions 2..=4, flexible 4
}

structs! {
    /// Epochs a client has seen.
    OffsetForLeaderEpochRequest {
        replica_id: i32 [3..] = -2; ignorable,
        topics: Vec<OffsetForLeaderTopic> [0..],
    }

    /// Of a topic.
    OffsetForLeaderTopic {
        topic: Str [0..],
        partitions: Vec<OffsetForLeaderPartition> [0..],
    }

    /// Of a partition.
    OffsetForLeaderPartition {
        partition: i32 [0..],
        current_leader_epoch: i32 [2..] = -1; ignorable,
        leader_epoch: i32 [0..],
    }

    /// Where they ended.
    OffsetForLeaderEpochResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [2..]; ignorable,
        topics: Vec<OffsetForLeaderTopicResult> [0..],
    }

    /// Of a topic.
    OffsetForLeaderTopicResult {
        topic: Str [0..],
        partitions: Vec<LeaderEpochEndOffset> [0..],
    }

    /// Of a partition.
    LeaderEpochEndOffset {
        error_code: i16 [0..],
        partition: i32 [0..],
        leader_epoch: i32 [1..] = -1; ignorable,
        end_offset: i64 [0..] = -1,
    }
}
