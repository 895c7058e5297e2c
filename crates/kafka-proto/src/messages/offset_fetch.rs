//! OffsetFetch: how far a group had come.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// OffsetFetch (KIP-709 many groups).
    OffsetFetch: OffsetFetchRequest => OffsetFetchResponse, versions 1..=9, flexible 6
}

structs! {
    /// Asks for offsets; `None` for topics means all of the group's.
    OffsetFetchRequest {
        group_id: Str [0..=7]; ignorable,
        topics: Option<Vec<OffsetFetchTopic>> [0..=7]; ignorable,
        groups: Vec<OffsetFetchGroup> [8..]; ignorable,
        require_stable: bool [7..]; ignorable,
    }

    /// Of a topic, up to version 7.
    OffsetFetchTopic {
        name: Str [0..],
        partition_indexes: Vec<i32> [0..],
    }

    /// Of a group, from version 8 on.
    OffsetFetchGroup {
        group_id: Str [8..],
        member_id: Option<Str> [9..]; ignorable,
        member_epoch: i32 [9..] = -1; ignorable,
        topics: Option<Vec<OffsetFetchTopic>> [8..],
    }

    /// The offsets.
    OffsetFetchResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [3..]; ignorable,
        topics: Vec<OffsetFetchTopicResponse> [0..=7]; ignorable,
        error_code: i16 [2..=7]; ignorable,
        groups: Vec<OffsetFetchGroupResponse> [8..]; ignorable,
    }

    /// Of a topic.
    OffsetFetchTopicResponse {
        name: Str [0..],
        partitions: Vec<OffsetFetchPartitionResponse> [0..],
    }

    /// Of a partition; offset -1 when none was committed.
    OffsetFetchPartitionResponse {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [5..] = -1; ignorable,
        metadata: Option<Str> [0..],
        error_code: i16 [0..],
    }

    /// Of a group.
    OffsetFetchGroupResponse {
        group_id: Str [8..],
        topics: Vec<OffsetFetchTopicResponse> [8..],
        error_code: i16 [8..],
    }
}
