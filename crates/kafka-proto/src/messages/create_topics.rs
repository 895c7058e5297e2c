//! CreateTopics: make topics.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// CreateTopics (KIP-4, KIP-464 defaults, KIP-525 result).
    CreateTopics: CreateTopicsRequest => CreateTopicsResponse, versions 2..=7, flexible 5
}

structs! {
    /// Topics to make.
    CreateTopicsRequest {
        topics: Vec<CreatableTopic> [0..],
        timeout_ms: i32 [0..] = 60000,
        validate_only: bool [1..],
    }

    /// A topic; -1 for the broker's default.
    CreatableTopic {
        name: Str [0..],
        num_partitions: i32 [0..],
        replication_factor: i16 [0..],
        assignments: Vec<CreatableReplicaAssignment> [0..],
        configs: Vec<CreatableTopicConfig> [0..],
    }

    /// Where the replicas of a partition go.
    CreatableReplicaAssignment {
        partition_index: i32 [0..],
        broker_ids: Vec<i32> [0..],
    }

    /// A configuration of the topic.
    CreatableTopicConfig {
        name: Str [0..],
        value: Option<Str> [0..],
    }

    /// What became of each.
    CreateTopicsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [2..]; ignorable,
        topics: Vec<CreatableTopicResult> [0..],
    }

    /// Of a topic.
    CreatableTopicResult {
        name: Str [0..],
        topic_id: Uuid [7..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [1..]; ignorable,
        num_partitions: i32 [5..] = -1; ignorable,
        replication_factor: i16 [5..] = -1; ignorable,
        configs: Option<Vec<CreatableTopicConfigResult>> [5..]; ignorable,
    }
    @tagged {
        0 => topic_config_error_code: i16 [5..],
    }

    /// A configuration as it came out.
    CreatableTopicConfigResult {
        name: Str [5..],
        value: Option<Str> [5..],
        read_only: bool [5..],
        config_source: i8 [5..] = -1,
        is_sensitive: bool [5..],
    }
}
