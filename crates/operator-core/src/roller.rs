//! Restarts of nodes, one safe step after the other.
//!
//! ```text
//!            +------------------- the spec changes again ------------------+
//!            v                                                             |
//!   differs --> altered live --> (still differs) --> next in order --> restarting --> starting
//!                    |                                   ^  |              ^             |
//!                    v                                   |  v              |             v
//!                  done                                 obstacles    fixed spec      recovering logs
//!                                                                          |         (never killed)
//!                                                                          |             |
//!                                                           not back: stopped            v
//!                                                             ^                 catching up --> done
//!                                                             +--- no progress ---+   in step:
//!                                                                           ready, every ISR, quorum
//! ```
//!
//! [`decide`] is called again and again, with what is and what was stored; it keeps nothing. Whoever calls it stores
//! [`Decision::progress`], then performs [`Decision::actions`], then observes anew. The process may be killed between any two of
//! them.
//!
//! A node whose pod is known not to run ([`PodState::Stuck`](crate::model::PodState::Stuck)) takes nothing down by being
//! replaced: it goes first and waits for nobody, unless the same setup already failed elsewhere.

pub(crate) mod availability;
mod candidate;
mod decide;
mod dynamic;
mod next;
mod obstacle;
mod plan;
mod progress;
mod reason;
mod rollout;
#[cfg(test)]
mod tests;

pub use decide::{Action, Decision, Situation, Wait, decide, handle_altered};
pub use obstacle::{Obstacle, Stopped};
pub use plan::{Plan, Step, plan};
pub use progress::{Progress, Restart, Tried};
pub use reason::Reason;
pub use rollout::{Rollout, Weekday, Window};

use serde::{Deserialize, Serialize};

/// How a cluster's nodes are restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// When.
    pub rollout: Rollout,
    /// How many together.
    pub parallelism: Parallelism,
    /// A restarted node that comes no nearer for this long stops the roll.
    pub no_progress_timeout_ms: u64,
    /// A node that runs and does not answer for this long is restarted.
    pub unresponsive_timeout_ms: u64,
}

/// How many nodes may be down together by our hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parallelism {
    /// One.
    OneAtATime,
    /// Brokers of one rack, once a first one has come back with the same setup. Controllers still go one by one.
    Rack {
        /// At most this many.
        nodes_max: usize,
    },
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rollout: Rollout::Auto,
            parallelism: Parallelism::OneAtATime,
            no_progress_timeout_ms: 600_000,
            unresponsive_timeout_ms: 300_000,
        }
    }
}
