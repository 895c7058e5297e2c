//! LeaveGroup: stop being a member.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// LeaveGroup (KIP-345 many members).
    LeaveGroup: LeaveGroupRequest => LeaveGroupResponse, versions 0..=5, flexible 4
}

structs! {
    /// One member up to version 2, a list from 3 on.
    LeaveGroupRequest {
        group_id: Str [0..],
        member_id: Str [0..=2]; ignorable,
        members: Vec<LeavingMember> [3..]; ignorable,
    }

    /// Who leaves.
    LeavingMember {
        member_id: Str [3..],
        group_instance_id: Option<Str> [3..],
        reason: Option<Str> [5..]; ignorable,
    }

    /// What became of each.
    LeaveGroupResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        error_code: i16 [0..],
        members: Vec<LeftMember> [3..]; ignorable,
    }

    /// Who left.
    LeftMember {
        member_id: Str [3..],
        group_instance_id: Option<Str> [3..],
        error_code: i16 [3..],
    }
}
