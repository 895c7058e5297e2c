//! Fetch: record batches from offsets on.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// Fetch (KIP-74 limits, KIP-227 sessions, KIP-516 topic ids).
    Fetch: FetchRequest => FetchResponse, versions 4..=17, flexible 12
}

structs! {
    /// Offsets to read from, and how long to wait for how much.
    FetchRequest {
        replica_id: i32 [0..=14] = -1; ignorable,
        max_wait_ms: i32 [0..],
        min_bytes: i32 [0..],
        max_bytes: i32 [3..] = i32::MAX; ignorable,
        /// 0: read uncommitted; 1: read committed.
        isolation_level: i8 [4..],
        session_id: i32 [7..]; ignorable,
        session_epoch: i32 [7..] = -1; ignorable,
        topics: Vec<FetchTopic> [0..],
        forgotten_topics_data: Vec<ForgottenTopic> [7..],
        rack_id: Str [11..]; ignorable,
    }
    @tagged {
        0 => cluster_id: Option<Str> [12..],
        1 => replica_state: ReplicaState [15..],
    }

    /// A follower's own state (KIP-903).
    ReplicaState {
        replica_id: i32 [15..] = -1,
        replica_epoch: i64 [15..] = -1,
    }

    /// Partitions of a topic.
    FetchTopic {
        topic: Str [0..=12]; ignorable,
        topic_id: Uuid [13..]; ignorable,
        partitions: Vec<FetchPartition> [0..],
    }

    /// Where to read.
    FetchPartition {
        partition: i32 [0..],
        current_leader_epoch: i32 [9..] = -1; ignorable,
        fetch_offset: i64 [0..],
        last_fetched_epoch: i32 [12..] = -1,
        log_start_offset: i64 [5..] = -1; ignorable,
        partition_max_bytes: i32 [0..],
    }
    @tagged {
        0 => replica_directory_id: Uuid [17..],
    }

    /// Partitions to drop from a session (KIP-227).
    ForgottenTopic {
        topic: Str [7..=12]; ignorable,
        topic_id: Uuid [13..]; ignorable,
        partitions: Vec<i32> [7..],
    }

    /// What was read.
    FetchResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        error_code: i16 [7..]; ignorable,
        session_id: i32 [7..]; ignorable,
        responses: Vec<FetchableTopicResponse> [0..],
    }
    @tagged {
        0 => node_endpoints: Vec<FetchNodeEndpoint> [16..],
    }

    /// Of a topic.
    FetchableTopicResponse {
        topic: Str [0..=12]; ignorable,
        topic_id: Uuid [13..]; ignorable,
        partitions: Vec<FetchPartitionData> [0..],
    }

    /// Of a partition.
    FetchPartitionData {
        partition_index: i32 [0..],
        error_code: i16 [0..],
        high_watermark: i64 [0..],
        last_stable_offset: i64 [4..] = -1; ignorable,
        log_start_offset: i64 [5..] = -1; ignorable,
        aborted_transactions: Option<Vec<AbortedTransaction>> [4..]; ignorable,
        preferred_read_replica: i32 [11..] = -1; ignorable,
        /// Whole batches; the first holds the offset asked for.
        records: Option<Bytes> [0..],
    }
    @tagged {
        0 => diverging_epoch: EpochEndOffset [12..],
        1 => current_leader: FetchLeader [12..],
        2 => snapshot_id: SnapshotId [12..],
    }

    /// A transaction whose records a committed reader passes over.
    AbortedTransaction {
        producer_id: i64 [4..],
        first_offset: i64 [4..],
    }

    /// Where the log of a follower parts from this one (KIP-595).
    EpochEndOffset {
        epoch: i32 [12..] = -1,
        end_offset: i64 [12..] = -1,
    }

    /// Who leads now (KIP-951).
    FetchLeader {
        leader_id: i32 [12..] = -1,
        leader_epoch: i32 [12..] = -1,
    }

    /// A snapshot to read in place of records (KIP-630).
    SnapshotId {
        end_offset: i64 [12..] = -1,
        epoch: i32 [12..] = -1,
    }

    /// Where that leader listens (KIP-951).
    FetchNodeEndpoint {
        node_id: i32 [16..],
        host: Str [16..],
        port: i32 [16..],
        rack: Option<Str> [16..],
    }
}
