//! AlterClientQuotas: set and delete.

use crate::declare::{api, structs};
use crate::wire::{Float64, Str};

api! {
    /// AlterClientQuotas (KIP-546).
    AlterClientQuotas: AlterClientQuotasRequest => AlterClientQuotasResponse, versions 0..=1, flexible 1
}

structs! {
    /// Which.
    AlterClientQuotasRequest {
        entries: Vec<EntryAlteration> [0..],
        validate_only: bool [0..],
    }

    /// Of an entity.
    EntryAlteration {
        entity: Vec<EntityData> [0..],
        ops: Vec<OpData> [0..],
    }

    /// A part of the entity.
    EntityData {
        /// `user`, `client-id` or `ip`.
        entity_type: Str [0..],
        /// `None` for the default.
        entity_name: Option<Str> [0..],
    }

    /// A quota.
    OpData {
        key: Str [0..],
        value: Float64 [0..],
        remove: bool [0..],
    }

    /// What became of each entity.
    AlterClientQuotasResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        entries: Vec<EntryResult> [0..],
    }

    /// Of an entity.
    EntryResult {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        entity: Vec<EntityData> [0..],
    }
}
