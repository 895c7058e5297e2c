//! Real processes and peers for tests.
//!
//! ```no_run
//! use klamm_testkit::{Klamm, Peers, run};
//!
//! # fn scenario() -> Result<(), klamm_testkit::Skip> {
//! let peers = Peers::find();
//! let klamm = Klamm::embedded("target/debug/klamm".as_ref(), &[]);
//! let mut publish = peers.program("mosquitto_pub")?;
//! publish.args(["-p", &klamm.mqtt_port().to_string(), "-t", "a/b", "-m", "21.5", "-q", "1"]);
//! run("mosquitto_pub", publish).expect_success();
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - What a test started ends with it, also when it panics or takes too long, and nothing else is ended.
//! - Nothing waits for a time to pass: readiness is asked for until it is there, and what never comes ends the wait with
//!   the output of the process waited for.
//!
//! # Non-goals
//! Installing peers; `cargo xtask peers --install` does.
#![deny(missing_docs)]

mod apache_kafka;
mod kafka_node;
mod klamm;
pub mod log_contract;
mod patience;
mod peers;
mod ports;
mod process;
pub mod table;

pub use apache_kafka::ApacheKafka;
pub use kafka_node::{KafkaNode, NodeOptions};
pub use klamm::Klamm;
pub use patience::{PATIENCE, eventually, holds_within};
pub use peers::{KAFKA_VERSION, Peer, Peers, REQUIREMENTS, Skip, cache};
pub use ports::free_port;
pub use process::{Finished, Process, end_all, run, run_with_input};
