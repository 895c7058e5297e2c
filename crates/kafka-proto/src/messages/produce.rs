//! Produce: record batches for partitions.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// Produce (KIP-98 idempotence, KIP-516 topic ids).
    Produce: ProduceRequest => ProduceResponse, versions 3..=13, flexible 9
}

structs! {
    /// Batches and how durable they must be before the answer.
    ProduceRequest {
        transactional_id: Option<Str> [3..],
        /// 0: no answer; 1: the leader has it; -1: all in-sync replicas have it.
        acks: i16 [0..],
        timeout_ms: i32 [0..],
        topic_data: Vec<TopicProduceData> [0..],
    }

    /// Batches of a topic.
    TopicProduceData {
        name: Str [0..=12]; ignorable,
        topic_id: Uuid [13..]; ignorable,
        partition_data: Vec<PartitionProduceData> [0..],
    }

    /// One batch of a partition.
    PartitionProduceData {
        index: i32 [0..],
        /// Exactly one record batch v2.
        records: Option<Bytes> [0..],
    }

    /// Where the batches went.
    ProduceResponse {
        responses: Vec<TopicProduceResponse> [0..],
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
    }
    @tagged {
        0 => node_endpoints: Vec<ProduceNodeEndpoint> [10..],
    }

    /// Of a topic.
    TopicProduceResponse {
        name: Str [0..=12]; ignorable,
        topic_id: Uuid [13..]; ignorable,
        partition_responses: Vec<PartitionProduceResponse> [0..],
    }

    /// Of a partition.
    PartitionProduceResponse {
        index: i32 [0..],
        error_code: i16 [0..],
        base_offset: i64 [0..],
        /// Milliseconds since 1970, or -1 when the timestamps are the producer's.
        log_append_time_ms: i64 [2..] = -1; ignorable,
        log_start_offset: i64 [5..] = -1; ignorable,
        record_errors: Vec<BatchIndexAndErrorMessage> [8..]; ignorable,
        error_message: Option<Str> [8..]; ignorable,
    }
    @tagged {
        0 => current_leader: ProduceLeader [10..],
    }

    /// A record that made its batch be refused.
    BatchIndexAndErrorMessage {
        batch_index: i32 [8..],
        batch_index_error_message: Option<Str> [8..],
    }

    /// Who leads now (KIP-951).
    ProduceLeader {
        leader_id: i32 [10..] = -1,
        leader_epoch: i32 [10..] = -1,
    }

    /// Where that leader listens (KIP-951).
    ProduceNodeEndpoint {
        node_id: i32 [10..],
        host: Str [10..],
        port: i32 [10..],
        rack: Option<Str> [10..],
    }
}
