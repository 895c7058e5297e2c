//! SaslAuthenticate: a step of the mechanism.

use bytes::Bytes;

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// SaslAuthenticate (KIP-152, KIP-368 sessions).
    SaslAuthenticate: SaslAuthenticateRequest => SaslAuthenticateResponse, versions 0..=2, flexible 2
}

structs! {
    /// The client's step.
    SaslAuthenticateRequest {
        auth_bytes: Bytes [0..],
    }

    /// The server's step.
    SaslAuthenticateResponse {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        auth_bytes: Bytes [0..],
        /// Milliseconds until the client must authenticate again; 0 for ever.
        session_lifetime_ms: i64 [1..]; ignorable,
    }
}
