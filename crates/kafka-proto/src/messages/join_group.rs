//! JoinGroup: become a member of a group.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// JoinGroup (KIP-345 static members, KIP-394 second join).
    JoinGroup: JoinGroupRequest => JoinGroupResponse, versions 0..=9, flexible 6
}

structs! {
    /// Who wants to join, with what.
    JoinGroupRequest {
        group_id: Str [0..],
        session_timeout_ms: i32 [0..],
        rebalance_timeout_ms: i32 [1..] = -1; ignorable,
        /// Empty for a new member.
        member_id: Str [0..],
        group_instance_id: Option<Str> [5..],
        protocol_type: Str [0..],
        protocols: Vec<JoinGroupProtocol> [0..],
        reason: Option<Str> [8..]; ignorable,
    }

    /// A way of assigning that the member knows.
    JoinGroupProtocol {
        name: Str [0..],
        metadata: Bytes [0..],
    }

    /// The generation joined.
    JoinGroupResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [2..]; ignorable,
        error_code: i16 [0..],
        generation_id: i32 [0..] = -1,
        protocol_type: Option<Str> [7..]; ignorable,
        protocol_name: Option<Str> [0..],
        leader: Str [0..],
        skip_assignment: bool [9..]; ignorable,
        member_id: Str [0..],
        /// Everyone, for the leader; empty for the others.
        members: Vec<JoinGroupMember> [0..],
    }

    /// A member as its leader sees it.
    JoinGroupMember {
        member_id: Str [0..],
        group_instance_id: Option<Str> [5..]; ignorable,
        metadata: Bytes [0..],
    }
}
