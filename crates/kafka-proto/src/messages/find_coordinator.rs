//! FindCoordinator: which broker keeps a group.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// FindCoordinator (KIP-699 many at once).
    FindCoordinator: FindCoordinatorRequest => FindCoordinatorResponse, versions 0..=6, flexible 3
}

structs! {
    /// Keys of one type: 0 groups, 1 transactions, 2 share groups.
    FindCoordinatorRequest {
        key: Str [0..=3]; ignorable,
        key_type: i8 [1..]; ignorable,
        coordinator_keys: Vec<Str> [4..]; ignorable,
    }

    /// One coordinator up to version 3, a list from 4 on.
    FindCoordinatorResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        error_code: i16 [0..=3]; ignorable,
        error_message: Option<Str> [1..=3]; ignorable,
        node_id: i32 [0..=3]; ignorable,
        host: Str [0..=3]; ignorable,
        port: i32 [0..=3]; ignorable,
        coordinators: Vec<Coordinator> [4..]; ignorable,
    }

    /// Of one key.
    Coordinator {
        key: Str [4..],
        node_id: i32 [4..],
        host: Str [4..],
        port: i32 [4..],
        error_code: i16 [4..],
        error_message: Option<Str> [4..],
    }
}
