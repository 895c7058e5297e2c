//! The metadata quorum (KIP-853): who votes, with which disk.
//!
//! ```text
//!   every controller's disk is seen empty
//!        |  ids drawn and stored
//!        v
//!   format --initial-controllers --> seen formatted --> start --> a leader is seen: formed, for good
//!                                                                    |
//!        +-----------------------------------------------------------+
//!        v
//!   empty disk --> format --no-initial-controllers --> its id stored --> start --> follows
//!                                                                                     |
//!              voter with the node's old disk: removed first                          v
//!              not wanted any more: removed, the leader last  <-- voters <-- added when in step
//! ```
//!
//! An agent beside each Kafka node reports its disk and asks before it formats a disk and before it starts Kafka on it for the first
//! time; what it may do is its [`Permit`]. Later starts need nobody, so nodes come back while the operator is away. So no disk is ever used under an id that is not stored, and no id for a second disk: a vote, once given, is
//! never forgotten.
//!
//! [`decide`] keeps nothing; the caller stores the progress, then acts, then observes anew.

mod change;
mod decide;
mod disks;
mod progress;
#[cfg(test)]
mod tests;

pub use decide::{Action, Decision, Situation, decide};
pub use disks::{Format, Permit, Reservation};
pub use progress::{Problem, Progress};
