//! The durable log: partitioned topics of Kafka record batches.
//!
//! [`Log`] and [`Partition`] are the joint that every protocol is built on. Two logs implement them: the
//! embedded one in this crate, and `klamm-log-kafka` on an Apache Kafka cluster. Batches cross the joint
//! as the bytes of record batch format v2.
//!
//! # Guarantees
//! - Offsets within a partition follow the order of [`Partition::append`] calls, and grow without repeats.
//! - An append that resolved to `Ok` under [`Durability::Synced`] is there after a crash of the process,
//!   and, on a topic with `durability=fsync`, after a loss of power.
//! - A [`Reader`] yields whole batches in offset order, each at most once, and none that a crash could
//!   take back on a topic with `durability=fsync`.
//!
//! # Non-goals
//! No replication (an Apache Kafka cluster does that), no decoding beyond the batch header except where
//! Kafka's semantics demand it.
#![deny(missing_docs)]

pub mod embedded;
mod error;
mod pending;
mod topic;
mod traits;

pub use embedded::{
    Clock, ConfigEntry, ConfigKind, ConfigSource, EmbeddedLog, EmbeddedPartition, Options, Read,
};
pub use error::{Fault, LogError};
pub use pending::{Appended, Completion, Pending};
pub use topic::{NewTopic, Topic, TopicId, validate_topic_name};
pub use traits::{
    BoxFuture, Durability, Log, OffsetSpec, Partition, Position, Reader, Status, TimestampedOffset,
};
