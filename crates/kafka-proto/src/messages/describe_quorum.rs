//! DescribeQuorum: who votes on the cluster's metadata.

use crate::declare::{api, structs};
use crate::wire::{Str, Uuid};

api! {
    /// DescribeQuorum (KIP-595, KIP-836 times, KIP-853 directories).
    DescribeQuorum: DescribeQuorumRequest => DescribeQuorumResponse, versions 0..=2, flexible 0
}

structs! {
    /// Whose quorum: `__cluster_metadata`, partition 0.
    DescribeQuorumRequest {
        topics: Vec<QuorumTopic> [0..],
    }

    /// Of a topic.
    QuorumTopic {
        topic_name: Str [0..],
        partitions: Vec<QuorumPartition> [0..],
    }

    /// A partition.
    QuorumPartition {
        partition_index: i32 [0..],
    }

    /// The quorums.
    DescribeQuorumResponse {
        error_code: i16 [0..],
        error_message: Option<Str> [2..]; ignorable,
        topics: Vec<QuorumTopicData> [0..],
        nodes: Vec<QuorumNode> [2..],
    }

    /// Of a topic.
    QuorumTopicData {
        topic_name: Str [0..],
        partitions: Vec<QuorumPartitionData> [0..],
    }

    /// Of a partition.
    QuorumPartitionData {
        partition_index: i32 [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [2..]; ignorable,
        /// -1 while nobody leads.
        leader_id: i32 [0..],
        leader_epoch: i32 [0..],
        high_watermark: i64 [0..],
        current_voters: Vec<ReplicaState> [0..],
        observers: Vec<ReplicaState> [0..],
    }

    /// A replica as the leader sees it.
    ReplicaState {
        replica_id: i32 [0..],
        replica_directory_id: Uuid [2..],
        /// -1 when unknown.
        log_end_offset: i64 [0..],
        /// Milliseconds since the epoch by the leader's clock; -1 for the leader itself or when unknown.
        last_fetch_timestamp: i64 [1..] = -1; ignorable,
        /// Milliseconds since the epoch by the leader's clock; -1 when unknown.
        last_caught_up_timestamp: i64 [1..] = -1; ignorable,
    }

    /// A voter's endpoints.
    QuorumNode {
        node_id: i32 [2..],
        listeners: Vec<QuorumListener> [2..],
    }

    /// An endpoint.
    QuorumListener {
        name: Str [2..],
        host: Str [2..],
        port: u16 [2..],
    }
}
