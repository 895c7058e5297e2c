//! The embedded log: partitions as files of record batches in one data directory.

mod config;
mod options;
mod producers;
mod simple;

pub use config::{ConfigEntry, ConfigKind, ConfigSource};
pub use options::{Clock, Options};
pub use simple::{EmbeddedLog, EmbeddedPartition};

/// Batches at an offset.
#[derive(Debug, Clone)]
pub struct Read {
    /// Whole batches back to back, the first of which holds the offset; empty at the high watermark.
    pub bytes: bytes::Bytes,
    /// Offset of the next record that readers will see.
    pub high_watermark: i64,
    /// First offset kept.
    pub log_start_offset: i64,
}
