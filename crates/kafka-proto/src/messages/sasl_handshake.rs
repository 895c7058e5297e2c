//! SaslHandshake: choose a mechanism.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// SaslHandshake (KIP-43, KIP-152). It never became flexible.
    SaslHandshake: SaslHandshakeRequest => SaslHandshakeResponse, versions 0..=1, flexible i16::MAX
}

structs! {
    /// The mechanism.
    SaslHandshakeRequest {
        mechanism: Str [0..],
    }

    /// Whether it is served, and which are.
    SaslHandshakeResponse {
        error_code: i16 [0..],
        mechanisms: Vec<Str> [0..],
    }
}
