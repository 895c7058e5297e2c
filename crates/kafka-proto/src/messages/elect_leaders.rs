//! ElectLeaders: have leaders elected.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// ElectLeaders (KIP-183, KIP-460 unclean).
    ElectLeaders: ElectLeadersRequest => ElectLeadersResponse, versions 0..=2, flexible 2
}

structs! {
    /// Partitions; `None` for all.
    ElectLeadersRequest {
        /// 0 the preferred replica; 1 unclean: the first that is alive.
        election_type: i8 [1..],
        topic_partitions: Option<Vec<TopicPartitions>> [0..],
        /// Milliseconds.
        timeout_ms: i32 [0..] = 60000,
    }

    /// Of a topic.
    TopicPartitions {
        topic: Str [0..],
        partitions: Vec<i32> [0..],
    }

    /// What became of each.
    ElectLeadersResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [1..],
        replica_election_results: Vec<ReplicaElectionResult> [0..],
    }

    /// Of a topic.
    ReplicaElectionResult {
        topic: Str [0..],
        partition_result: Vec<PartitionResult> [0..],
    }

    /// Of a partition.
    PartitionResult {
        partition_id: i32 [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
