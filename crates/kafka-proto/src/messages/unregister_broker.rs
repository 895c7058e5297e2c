//! UnregisterBroker: forget a broker that will not come back.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// UnregisterBroker (KIP-631).
    UnregisterBroker: UnregisterBrokerRequest => UnregisterBrokerResponse, versions 0..=0, flexible 0
}

structs! {
    /// Which.
    UnregisterBrokerRequest {
        broker_id: i32 [0..],
    }

    /// What became of it.
    UnregisterBrokerResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
