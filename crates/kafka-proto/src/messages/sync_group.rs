//! SyncGroup: hand out and learn assignments.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// SyncGroup (KIP-345, KIP-559).
    SyncGroup: SyncGroupRequest => SyncGroupResponse, versions 0..=5, flexible 4
}

structs! {
    /// The leader brings assignments, the others none.
    SyncGroupRequest {
        group_id: Str [0..],
        generation_id: i32 [0..],
        member_id: Str [0..],
        group_instance_id: Option<Str> [3..],
        protocol_type: Option<Str> [5..]; ignorable,
        protocol_name: Option<Str> [5..]; ignorable,
        assignments: Vec<SyncGroupAssignment> [0..],
    }

    /// What one member is to do.
    SyncGroupAssignment {
        member_id: Str [0..],
        assignment: Bytes [0..],
    }

    /// What this member is to do.
    SyncGroupResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        error_code: i16 [0..],
        protocol_type: Option<Str> [5..]; ignorable,
        protocol_name: Option<Str> [5..]; ignorable,
        assignment: Bytes [0..],
    }
}
