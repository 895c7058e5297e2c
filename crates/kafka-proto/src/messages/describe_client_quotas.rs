//! DescribeClientQuotas: what clients may use.

use crate::declare::{api, structs};
use crate::wire::{Float64, Str};

api! {
    /// DescribeClientQuotas (KIP-546).
    DescribeClientQuotas: DescribeClientQuotasRequest => DescribeClientQuotasResponse, versions 0..=1, flexible 1
}

structs! {
    /// Whose.
    DescribeClientQuotasRequest {
        components: Vec<ComponentData> [0..],
        /// Leave out entities of further types.
        strict: bool [0..],
    }

    /// A part of the entity.
    ComponentData {
        /// `user`, `client-id` or `ip`.
        entity_type: Str [0..],
        /// 0 the name in `match`, 1 the default, 2 any name.
        match_type: i8 [0..],
        r#match: Option<Str> [0..],
    }

    /// The quotas.
    DescribeClientQuotasResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        /// `None` with an error.
        entries: Option<Vec<EntryData>> [0..],
    }

    /// Of an entity.
    EntryData {
        entity: Vec<EntityData> [0..],
        values: Vec<ValueData> [0..],
    }

    /// A part of the entity.
    EntityData {
        entity_type: Str [0..],
        /// `None` for the default.
        entity_name: Option<Str> [0..],
    }

    /// A quota.
    ValueData {
        key: Str [0..],
        value: Float64 [0..],
    }
}
