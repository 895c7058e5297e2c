//! AddRaftVoter: let a controller vote.

use crate::declare::{api, structs};
use crate::wire::{Str, Uuid};

api! {
    /// AddRaftVoter (KIP-853).
    AddRaftVoter: AddRaftVoterRequest => AddRaftVoterResponse, versions 0..=1, flexible 0
}

structs! {
    /// The new voter: a node and its disk.
    AddRaftVoterRequest {
        cluster_id: Option<Str> [0..],
        /// Milliseconds.
        timeout_ms: i32 [0..],
        voter_id: i32 [0..],
        voter_directory_id: Uuid [0..],
        listeners: Vec<RaftVoterListener> [0..],
        /// Answer when the new set of voters is committed, not when the leader has written it.
        ack_when_committed: bool [1..] = true,
    }

    /// An endpoint of the voter.
    RaftVoterListener {
        name: Str [0..],
        host: Str [0..],
        port: u16 [0..],
    }

    /// What became of it.
    AddRaftVoterResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..]; ignorable,
    }
}
