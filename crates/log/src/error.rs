//! What can go wrong with a log, whose fault it is and whether to try again.

use std::sync::Arc;

use klamm_kafka_proto::records::BatchError;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request cannot succeed as it stands.
    Caller,
    /// The log cannot do it now.
    Log,
}

/// Why a log did not do what was asked. [`LogError::fault`] and [`LogError::is_retryable`] sort them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// No topic of that name (or it was deleted while in use).
    #[error("no topic '{0}'")]
    UnknownTopic(Arc<str>),
    /// The topic has fewer partitions.
    #[error("no partition {index} in topic '{topic}'")]
    UnknownPartition {
        /// Its topic.
        topic: Arc<str>,
        /// The index asked for.
        index: u32,
    },
    /// A topic of that name is there already.
    #[error("topic '{0}' exists already")]
    TopicExists(Arc<str>),
    /// The name is not one a topic may have; the text says why.
    #[error("topic name '{name}' {why}")]
    InvalidTopic {
        /// The name as given.
        name: String,
        /// Reads on after the name: "is empty", "holds '/'".
        why: String,
    },
    /// A partition count that cannot be; the text says why.
    #[error("{0}")]
    InvalidPartitions(String),
    /// A replication factor that cannot be; the text says why.
    #[error("{0}")]
    InvalidReplication(String),
    /// A topic configuration that is unknown, malformed or not offered; the text says which and why.
    #[error("{0}")]
    InvalidConfig(String),
    /// The offset lies outside the partition.
    #[error("offset {offset} outside {start}..={end}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// First offset kept.
        start: i64,
        /// Offset of the next record to come.
        end: i64,
    },
    /// Not a record batch this log can take.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A record this topic cannot hold; the text says why.
    #[error("{0}")]
    InvalidRecord(String),
    /// A timestamp too far from now for the topic's configuration; the text says how far.
    #[error("{0}")]
    InvalidTimestamp(String),
    /// The batch exceeds the topic's `max.message.bytes`.
    #[error("batch of {bytes} bytes exceeds max.message.bytes={max}")]
    TooLarge {
        /// Bytes of the batch.
        bytes: usize,
        /// The topic's limit in bytes.
        max: usize,
    },
    /// An idempotent producer left a gap (KIP-98).
    #[error("producer {producer_id} sent sequence {got} where {expected} comes next")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Sequence number that comes next.
        expected: i32,
        /// First sequence number of the batch.
        got: i32,
    },
    /// A newer instance of the idempotent producer took over (KIP-98).
    #[error("producer {producer_id} with epoch {got} was fenced by epoch {current}")]
    ProducerFenced {
        /// The producer.
        producer_id: i64,
        /// The newest epoch seen.
        current: i16,
        /// The batch's epoch.
        got: i16,
    },
    /// A bounded queue has no room. Nothing was taken; try again after [`crate::Partition::ready`].
    #[error("the log's queue is full")]
    Full,
    /// The disk budget is spent or the disk is full. Nothing was taken.
    #[error("no disk space left for records: {0}")]
    NoSpace(String),
    /// The cluster behind the log cannot be reached or has no leader for the partition.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// The cluster did not answer in time; whether the append took place is not known.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// The cluster refused for a reason of its own (authorisation, policy).
    #[error("refused by the cluster: {0}")]
    Refused(String),
    /// This log does not offer the operation.
    #[error("{0}")]
    Unsupported(String),
    /// Reading or writing files failed. After a failed sync the log takes no more writes: the page cache can
    /// no longer be trusted, and only a restart, which reads back what the disk has, may go on.
    #[error("{context}: {error}")]
    Storage {
        /// What the log was doing, with the file's name.
        context: Arc<str>,
        /// What the system said.
        error: Arc<std::io::Error>,
    },
    /// Bytes on disk are not what was written there.
    #[error("corrupt log: {0}")]
    Corrupt(String),
    /// The log was closed, or stopped itself after a [`LogError::Storage`].
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Full
            | Self::NoSpace(_)
            | Self::Unavailable(_)
            | Self::Timeout(_)
            | Self::Storage { .. }
            | Self::Corrupt(_)
            | Self::Closed => Fault::Log,
            _ => Fault::Caller,
        }
    }

    /// The same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full | Self::NoSpace(_) | Self::Unavailable(_) | Self::Timeout(_))
    }
}
