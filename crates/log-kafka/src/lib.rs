//! The log on an Apache Kafka cluster: [`klamm_log::Log`] through librdkafka.
//!
//! ```no_run
//! # async fn example() -> Result<(), klamm_log::LogError> {
//! use klamm_kafka_proto::records::BatchBuilder;
//! use klamm_log::{Durability, Log, NewTopic, Position};
//! use klamm_log_kafka::{KafkaLog, Options};
//!
//! let log = KafkaLog::connect("localhost:9092", &[], Options::default())?;
//! log.create_topic(NewTopic { name: "greetings".into(), ..NewTopic::default() }).await?;
//! let partition = log.partition("greetings", 0).await?;
//! let mut reader = partition.reader(Position::Latest).await?;
//!
//! let mut batch = BatchBuilder::new();
//! batch.append(1_700_000_000_000, Some(b"key"), Some(b"hello"), &[]);
//! let appended = partition.append(batch.build(), Durability::Synced)?.await?;
//! let batches = reader.next(1 << 20).await?;
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! - An append that resolved to `Ok` is on all in-sync replicas, once, in the order of the calls. While the cluster
//!   cannot be reached, appends wait, up to `Options::pending_bytes` of them and each up to
//!   `Options::delivery_timeout`; then [`klamm_log::LogError::Full`] and [`klamm_log::LogError::Timeout`].
//! - A reader yields each record once, with its offset, timestamp, key, value and headers. Records of aborted
//!   transactions and control records are left out. It goes on by itself after an outage.
//! - Nothing blocks a thread of the runtime.
//!
//! # Where it differs from the embedded log
//! - Batches are taken apart and put together again: what was one batch may be read as two, or two as one. An append that
//!   failed may have left some of its records.
//! - A record with timestamp 0 or -1 gets the time of the append.
//! - Header keys that are not UTF-8 cannot be appended, and are left out of records read.
//! - `Appended::log_start_offset` is -1 and `Topic::id` nil: the client library does not tell.
//! - The largest timestamp of a partition cannot be asked for.
#![deny(missing_docs)]

mod admin;
mod budget;
mod context;
mod convert;
mod error;
mod health;
mod in_flight;
mod lanes;
mod log;
mod options;
mod partition;
mod producer;
mod reader;
mod topics;

pub use log::KafkaLog;
pub use options::Options;
