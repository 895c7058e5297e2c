//! Who of several operators works: the holder of a `coordination.k8s.io` Lease.
//!
//! ```text
//!              nobody's, released, or one write of another's seen unchanged for its whole duration
//!   contender ------------------------------------------------------------------------------> leader
//!       ^  |  look every second                                      renew every two seconds   |   |
//!       |  +-- another's, and it moves: yield                                                  |   |
//!       |                                                                                      |   |
//!       |          told to end: finish what is under way, release -----------------------------+   |
//!       +-- next process <-- the process ends: no renewal for ten seconds, or another's name ------+
//! ```
//!
//! No clock is compared with another machine's. A contender counts from when *it* first saw a write; a leader counts from before *it*
//! sent one. The write was made after the one and before the other, so a contender's 15 seconds end after a leader's 10 have, if
//! neither clock runs half as fast again as the other. What a leader sent to the API server before its time was over may still arrive
//! later: everything it writes is idempotent or carries a resource version.

mod candidate;
mod election;
#[cfg(test)]
mod simulation;

pub use candidate::{Candidate, Record, Timing, Verdict, evaluate};
pub use election::{Election, ElectionError};
