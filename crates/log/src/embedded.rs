//! The embedded log: a shared write-ahead log with group commit, and a chain of segment files for each partition.
//!
//! ```text
//! <data>/lock                       the process that has it
//!        manifest                   everything, as of a point in the write-ahead log
//!        wal/0 wal/1 ...            what happened since
//!        <topic>-<index>/<base>.log        record batches, bare, one after the other
//!                        <base>.index      Kafka's sparse indexes
//!                        <base>.timeindex
//! ```
//!
//! `ARCHITECTURE.md` describes how a batch is written, what is visible when, and what a start does.

mod append;
mod chain;
mod checkpoint;
mod codec;
mod commit;
mod config;
mod core;
pub mod disk;
mod epochs;
mod files;
mod index;
mod log;
mod manifest;
mod offsets;
mod options;
mod partition;
mod producers;
mod queue;
mod read;
mod recovery;
mod retention;
mod store;
mod threads;
mod topics;
mod wal;

#[cfg(test)]
mod tests;

pub use config::{ConfigEntry, ConfigKind, ConfigSource};
pub use log::EmbeddedLog;
pub use options::{Clock, Options};
pub use partition::EmbeddedPartition;

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
