//! RemoveRaftVoter: take a controller's vote.

use crate::declare::{api, structs};
use crate::wire::{Str, Uuid};

api! {
    /// RemoveRaftVoter (KIP-853).
    RemoveRaftVoter: RemoveRaftVoterRequest => RemoveRaftVoterResponse, versions 0..=0, flexible 0
}

structs! {
    /// The voter: a node and its disk.
    RemoveRaftVoterRequest {
        cluster_id: Option<Str> [0..],
        voter_id: i32 [0..],
        voter_directory_id: Uuid [0..],
    }

    /// What became of it.
    RemoveRaftVoterResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..]; ignorable,
    }
}
