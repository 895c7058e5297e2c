//! Replicas on the move: off brokers that leave, onto brokers that are new.
//!
//! ```text
//!   leaving --> throttle set --> a batch of reassignments --> ... --> nothing left --> may be stopped --> unregistered
//!                                    ^        |
//!                                    +-- done +
//! ```
//!
//! Every decision is made from the cluster as it is: there is no progress to store, and a plan that somebody else's reassignment
//! overtook does not exist.

mod batch;
mod decide;
mod load;
mod spread;
mod targets;
#[cfg(test)]
mod tests;

pub use decide::{Action, Decision, Refusal, Situation, decide};

use serde::{Deserialize, Serialize};

/// How much may move together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Partitions.
    pub partitions_max: usize,
    /// Bytes to be copied; one partition may be larger and then moves alone.
    pub bytes_max: u64,
    /// Bytes per second and broker; none means no throttle.
    pub throttle_bytes_per_s: Option<u64>,
}

impl Default for Limits {
    /// 50 MB/s leaves most of a 1 Gbit/s link to clients; 20 GB are then copied in some seven minutes, after which the next
    /// batch is chosen from the cluster as it is by then.
    fn default() -> Self {
        Self {
            partitions_max: 20,
            bytes_max: 20_000_000_000,
            throttle_bytes_per_s: Some(50_000_000),
        }
    }
}
