//! CreatePartitions: more partitions for topics.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// CreatePartitions (KIP-195).
    CreatePartitions: CreatePartitionsRequest => CreatePartitionsResponse, versions 0..=3, flexible 2
}

structs! {
    /// Topics and how many partitions they are to have.
    CreatePartitionsRequest {
        topics: Vec<CreatePartitionsTopic> [0..],
        timeout_ms: i32 [0..],
        validate_only: bool [0..],
    }

    /// A topic.
    CreatePartitionsTopic {
        name: Str [0..],
        count: i32 [0..],
        assignments: Option<Vec<CreatePartitionsAssignment>> [0..],
    }

    /// Where the replicas of a new partition go.
    CreatePartitionsAssignment {
        broker_ids: Vec<i32> [0..],
    }

    /// What became of each.
    CreatePartitionsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        results: Vec<CreatePartitionsTopicResult> [0..],
    }

    /// Of a topic.
    CreatePartitionsTopicResult {
        name: Str [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
