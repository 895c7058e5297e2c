//! ListGroups: which groups there are.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// ListGroups (KIP-518 states, KIP-848 types).
    ListGroups: ListGroupsRequest => ListGroupsResponse, versions 0..=5, flexible 3
}

structs! {
    /// Which are wanted; empty lists mean all.
    ListGroupsRequest {
        states_filter: Vec<Str> [4..],
        types_filter: Vec<Str> [5..],
    }

    /// The groups.
    ListGroupsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        error_code: i16 [0..],
        groups: Vec<ListedGroup> [0..],
    }

    /// A group.
    ListedGroup {
        group_id: Str [0..],
        protocol_type: Str [0..],
        group_state: Str [4..]; ignorable,
        group_type: Str [5..]; ignorable,
    }
}
