//! Metadata: brokers, topics and who leads which partition.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// Metadata (KIP-4, KIP-516 topic ids).
    Metadata: MetadataRequest => MetadataResponse, versions 0..=13, flexible 9
}

structs! {
    /// Asks about topics: `None` means all from version 1 on, an empty list does in version 0.
    MetadataRequest {
        topics: Option<Vec<MetadataRequestTopic>> [0..] = Some(Vec::new()),
        allow_auto_topic_creation: bool [4..] = true; ignorable,
        include_cluster_authorized_operations: bool [8..=10]; ignorable,
        include_topic_authorized_operations: bool [8..]; ignorable,
    }

    /// A topic by name or id.
    MetadataRequestTopic {
        topic_id: Uuid [10..]; ignorable,
        /// Null when asked by id.
        name: Option<Str> [0..],
    }

    /// The cluster as clients see it.
    MetadataResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [3..]; ignorable,
        brokers: Vec<MetadataBroker> [0..],
        cluster_id: Option<Str> [2..]; ignorable,
        controller_id: i32 [1..] = -1; ignorable,
        topics: Vec<MetadataTopic> [0..],
        cluster_authorized_operations: i32 [8..=10] = i32::MIN; ignorable,
        error_code: i16 [13..]; ignorable,
    }

    /// Where a broker listens.
    MetadataBroker {
        node_id: i32 [0..],
        host: Str [0..],
        port: i32 [0..],
        rack: Option<Str> [1..]; ignorable,
    }

    /// A topic.
    MetadataTopic {
        error_code: i16 [0..],
        name: Option<Str> [0..],
        topic_id: Uuid [10..]; ignorable,
        is_internal: bool [1..]; ignorable,
        partitions: Vec<MetadataPartition> [0..],
        topic_authorized_operations: i32 [8..] = i32::MIN; ignorable,
    }

    /// A partition.
    MetadataPartition {
        error_code: i16 [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [7..] = -1; ignorable,
        replica_nodes: Vec<i32> [0..],
        isr_nodes: Vec<i32> [0..],
        offline_replicas: Vec<i32> [5..]; ignorable,
    }
}
