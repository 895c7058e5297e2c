//! AlterPartitionReassignments: move replicas.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// AlterPartitionReassignments (KIP-455, KIP-860 replication factor).
    AlterPartitionReassignments: AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse, versions 0..=1, flexible 0
}

structs! {
    /// Where replicas are to go.
    AlterPartitionReassignmentsRequest {
        /// Milliseconds.
        timeout_ms: i32 [0..] = 60000,
        allow_replication_factor_change: bool [1..] = true,
        topics: Vec<ReassignableTopic> [0..],
    }

    /// Of a topic.
    ReassignableTopic {
        name: Str [0..],
        partitions: Vec<ReassignablePartition> [0..],
    }

    /// Of a partition.
    ReassignablePartition {
        partition_index: i32 [0..],
        /// `None` calls a pending reassignment off.
        replicas: Option<Vec<i32>> [0..],
    }

    /// What became of each.
    AlterPartitionReassignmentsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        allow_replication_factor_change: bool [1..] = true; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        responses: Vec<ReassignableTopicResponse> [0..],
    }

    /// Of a topic.
    ReassignableTopicResponse {
        name: Str [0..],
        partitions: Vec<ReassignablePartitionResponse> [0..],
    }

    /// Of a partition.
    ReassignablePartitionResponse {
        partition_index: i32 [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
