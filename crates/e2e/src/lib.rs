//! Apache Kafka on a real Kubernetes, with faults, and a load that finds out what they cost.
//!
//! A scenario is a function of a [`Stage`]; it is told with `kubectl` ([`Namespace`]), machines that can be crashed
//! ([`Machines`]) and a [`load::Load`]:
//!
//! ```no_run
//! use std::time::Duration;
//! use klamm_e2e::{Outcome, Stage, load::{Load, Spec}};
//!
//! fn a_killed_broker_comes_back(stage: &mut Stage<'_>) -> Outcome {
//!     let here = stage.namespace("killed")?;
//!     here.apply_file("examples/kubernetes/three-brokers.yaml")?;
//!     here.wait("kafkacluster/kafka", "condition=Ready", Duration::from_secs(120))?;
//!     let mut load = Load::start(stage, &here, &Spec::new("kafka-bootstrap:9092"))?;
//!     let before = here.pod("kafka-brokers-0-0")?;
//!     stage.cluster().machines()?.kill(&here, "kafka-brokers-0-0", "java")?;
//!     let back = here.back("kafka-brokers-0-0", &before, Duration::from_secs(120))?;
//!     load.full(Duration::from_secs(120))?;
//!     stage.number("killed broker is Ready again", back.as_millis(), "ms");
//!     stage.number("produce stopped", load.window()?.produce_stop_ms, "ms");
//!     load.stop()?.nothing_lost()
//! }
//! ```
//!
//! # Guarantees
//! - Nothing waits for a time to pass to show something: it is asked for, with a deadline whose message says what was seen last.
//! - A load counts a record as acknowledged only by the leader's word for `acks=all`, and its verdict reads everything back.
//!
//! # Non-goals
//! Bringing a cluster up: `cargo xtask e2e` does, with `e2e/kube`.
#![deny(missing_docs)]

mod clock;
mod cluster;
pub mod devices;
mod end;
pub mod faults;
mod kafka;
mod kubectl;
pub mod load;
mod machines;
mod operator;
mod pod;
mod records;
pub mod runner;
pub mod scenarios;
mod secret;
mod seed;
mod stage;
mod wait;

pub use clock::{now, since_ms};
pub use cluster::{Cluster, Images};
pub use end::{End, Outcome};
pub use kubectl::{Namespace, kubectl};
pub use machines::Machines;
pub use operator::Operator;
pub use pod::Pod;
pub use seed::Seed;
pub use stage::{Number, Stage};
pub use wait::{PATIENCE, until};
