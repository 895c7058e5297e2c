//! DeleteRecords: give up the oldest records.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DeleteRecords (KIP-107).
    DeleteRecords: DeleteRecordsRequest => DeleteRecordsResponse, versions 0..=2, flexible 2
}

structs! {
    /// First offsets to keep.
    DeleteRecordsRequest {
        topics: Vec<DeleteRecordsTopic> [0..],
        timeout_ms: i32 [0..],
    }

    /// Of a topic.
    DeleteRecordsTopic {
        name: Str [0..],
        partitions: Vec<DeleteRecordsPartition> [0..],
    }

    /// Of a partition; -1 for the high watermark.
    DeleteRecordsPartition {
        partition_index: i32 [0..],
        offset: i64 [0..],
    }

    /// First offsets kept.
    DeleteRecordsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        topics: Vec<DeleteRecordsTopicResult> [0..],
    }

    /// Of a topic.
    DeleteRecordsTopicResult {
        name: Str [0..],
        partitions: Vec<DeleteRecordsPartitionResult> [0..],
    }

    /// Of a partition.
    DeleteRecordsPartitionResult {
        partition_index: i32 [0..],
        low_watermark: i64 [0..],
        error_code: i16 [0..],
    }
}
