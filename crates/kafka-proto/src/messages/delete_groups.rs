//! DeleteGroups: forget groups and their offsets.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DeleteGroups (KIP-229).
    DeleteGroups: DeleteGroupsRequest => DeleteGroupsResponse, versions 0..=2, flexible 2
}

structs! {
    /// Which groups.
    DeleteGroupsRequest {
        groups_names: Vec<Str> [0..],
    }

    /// What became of each.
    DeleteGroupsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        results: Vec<DeletableGroupResult> [0..],
    }

    /// Of a group.
    DeletableGroupResult {
        group_id: Str [0..],
        error_code: i16 [0..],
    }
}
