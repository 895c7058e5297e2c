//! The joint between protocols and logs.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{LogError, NewTopic, Pending, Topic};

/// A future behind a pointer, so that logs can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What must hold before an append is told to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has it (`acks=1`): it outlives the process, not the power.
    Written,
    /// As durable as the topic promises (`acks=all`, QoS 1 and 2): on stable storage for `durability=fsync`,
    /// on all in-sync replicas for Apache Kafka.
    Synced,
}

/// Where a [`Reader`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The first record kept.
    Earliest,
    /// After the last record that is there when [`Partition::reader`] resolves.
    Latest,
    /// This offset; the first batch read is the one that holds it, whole.
    Offset(i64),
}

/// A question for an offset (ListOffsets).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// First offset kept.
    Earliest,
    /// Offset of the next record that readers will see (the high watermark).
    Latest,
    /// Offset of the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// First offset whose timestamp is this or later, in milliseconds since 1970.
    Timestamp(i64),
}

/// An offset and the timestamp that led to it. Both are -1 when no record fits the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for [`OffsetSpec::Earliest`] and [`OffsetSpec::Latest`].
    pub timestamp: i64,
}

/// Whether a log takes appends now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Ready,
    /// It will again by itself; the text says what is missing.
    Unavailable(String),
    /// Only a restart of the process helps; the text says why.
    Failed(String),
}

/// Topics over a durable store.
pub trait Log: Send + Sync + Debug + 'static {
    /// All topics, by name, internal ones too.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, LogError>>;

    /// One topic, or [`LogError::UnknownTopic`].
    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Topic, LogError>>;

    /// Makes a topic. Durable when it resolves.
    fn create_topic(&self, topic: NewTopic) -> BoxFuture<'_, Result<Topic, LogError>>;

    /// Raises the number of partitions to `total`. Durable when it resolves.
    fn create_partitions<'a>(
        &'a self,
        topic: &'a str,
        total: u32,
    ) -> BoxFuture<'a, Result<Topic, LogError>>;

    /// Sets (`Some`) or resets to the default (`None`) topic configurations, all or none.
    fn alter_topic<'a>(
        &'a self,
        topic: &'a str,
        changes: Vec<(String, Option<String>)>,
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// Deletes a topic and its records.
    fn delete_topic<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<(), LogError>>;

    /// A partition to append to and read from. Cheap to keep; after its topic was deleted its
    /// operations fail with [`LogError::UnknownTopic`].
    fn partition<'a>(
        &'a self,
        topic: &'a str,
        index: u32,
    ) -> BoxFuture<'a, Result<Arc<dyn Partition>, LogError>>;

    /// Whether the log takes appends, as it changes.
    fn status(&self) -> watch::Receiver<Status>;

    /// Stops taking appends, finishes those admitted and leaves everything durable.
    fn close(&self) -> BoxFuture<'_, Result<(), LogError>>;
}

/// One partition of a topic.
pub trait Partition: Send + Sync + Debug + 'static {
    /// Name of the topic.
    fn topic(&self) -> &Arc<str>;

    /// Index within the topic, from 0.
    fn index(&self) -> u32;

    /// Admits exactly one record batch (format v2, as a producer sends it). Returns at once: offsets follow
    /// the order of calls. When the error is [`LogError::Full`], nothing was taken; wait for
    /// [`Partition::ready`] and call again.
    ///
    /// # Errors
    /// A malformed, oversize or out-of-sequence batch is refused here, before anything is written.
    fn append(&self, batch: Bytes, durability: Durability) -> Result<Pending, LogError>;

    /// Resolves when an append has room again. No promise is made that it still has when it is tried.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// A cursor over the partition's batches.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] when the offset is not there.
    fn reader(&self, from: Position) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>>;

    /// Answers a question for an offset.
    fn list_offset(&self, spec: OffsetSpec) -> BoxFuture<'_, Result<TimestampedOffset, LogError>>;

    /// Gives up all records before the offset (-1: all before the high watermark). Resolves to the first
    /// offset kept.
    fn delete_records(&self, before: i64) -> BoxFuture<'_, Result<i64, LogError>>;
}

/// A cursor over one partition.
pub trait Reader: Send + Debug {
    /// Offset of the next record it will yield.
    fn position(&self) -> i64;

    /// Waits until there is at least one whole batch, then yields one or more, back to back, of at most
    /// `max_bytes` together unless the first alone is larger. Cancel-safe: a dropped call loses nothing.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] when retention overtook the cursor; retryable ones keep the cursor.
    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Bytes, LogError>>;
}
