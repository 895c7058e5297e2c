//! DescribeLogDirs: sizes on disk.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DescribeLogDirs (KIP-113, KIP-827 free space).
    DescribeLogDirs: DescribeLogDirsRequest => DescribeLogDirsResponse, versions 1..=4, flexible 2
}

structs! {
    /// Which topics; `None` for all.
    DescribeLogDirsRequest {
        topics: Option<Vec<DescribableLogDirTopic>> [0..],
    }

    /// Partitions of a topic.
    DescribableLogDirTopic {
        topic: Str [0..],
        partitions: Vec<i32> [0..],
    }

    /// The directories.
    DescribeLogDirsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [3..]; ignorable,
        results: Vec<DescribeLogDirsResult> [0..],
    }

    /// A directory.
    DescribeLogDirsResult {
        error_code: i16 [0..],
        log_dir: Str [0..],
        topics: Vec<DescribeLogDirsTopic> [0..],
        /// Bytes, or -1.
        total_bytes: i64 [4..] = -1; ignorable,
        /// Bytes, or -1.
        usable_bytes: i64 [4..] = -1; ignorable,
    }

    /// A topic in it.
    DescribeLogDirsTopic {
        name: Str [0..],
        partitions: Vec<DescribeLogDirsPartition> [0..],
    }

    /// A partition in it.
    DescribeLogDirsPartition {
        partition_index: i32 [0..],
        /// Bytes.
        partition_size: i64 [0..],
        offset_lag: i64 [0..],
        is_future_key: bool [0..],
    }
}
