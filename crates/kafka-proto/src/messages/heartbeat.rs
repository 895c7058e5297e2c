//! Heartbeat: stay a member.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// Heartbeat (KIP-345).
    Heartbeat: HeartbeatRequest => HeartbeatResponse, versions 0..=4, flexible 4
}

structs! {
    /// Still here.
    HeartbeatRequest {
        group_id: Str [0..],
        generation_id: i32 [0..],
        member_id: Str [0..],
        group_instance_id: Option<Str> [3..],
    }

    /// Whether that still counts.
    HeartbeatResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        error_code: i16 [0..],
    }
}
