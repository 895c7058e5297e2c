//! What the agent in a Kafka pod and the operator say to each other.
//!
//! The agent (the program `klamm-agent`, cargo feature `program`, on by default) is the first process in the container of an
//! Apache Kafka node. It reads the disk, asks before it formats one and before it starts Kafka on it for the first time, watches
//! Kafka, and tells. Whoever only talks to it depends on this crate with `default-features = false` and gets [`protocol`]: serde
//! types and nothing else.
//!
//! ```
//! use klamm_agent::protocol::{Format, Permit};
//!
//! let permit = Permit::Format(Format { cluster_id: "a2xhbW0gdGVzdCBjbHVzdA".into(), initial: None });
//! assert_eq!(
//!     serde_json::to_string(&permit).unwrap(),
//!     r#"{"format":{"cluster_id":"a2xhbW0gdGVzdCBjbHVzdA","initial":null}}"#
//! );
//! ```
//!
//! # Guarantees
//! - A disk is formatted only with a permit that was received since the agent started, and never when anything is on it.
//! - A disk of another node or cluster is never written to.
//! - Kafka is started without a permit only on a disk that it was started on with one before.
//!
//! # Non-goals
//! The agent knows no Kubernetes, and decides nothing that needs more than its own disk and its own Kafka.
#![deny(missing_docs)]

pub mod protocol;
