//! InitProducerId: an id for an idempotent producer.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// InitProducerId (KIP-98, KIP-360).
    InitProducerId: InitProducerIdRequest => InitProducerIdResponse, versions 0..=5, flexible 2
}

structs! {
    /// Asks for an id, or for a new epoch of one.
    InitProducerIdRequest {
        transactional_id: Option<Str> [0..],
        transaction_timeout_ms: i32 [0..],
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
    }

    /// The id.
    InitProducerIdResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        producer_id: i64 [0..] = -1,
        producer_epoch: i16 [0..],
    }
}
