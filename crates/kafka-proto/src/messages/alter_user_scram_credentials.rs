//! AlterUserScramCredentials: set and delete.

use bytes::Bytes;

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// AlterUserScramCredentials (KIP-554).
    AlterUserScramCredentials: AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse, versions 0..=0, flexible 0
}

structs! {
    /// Which.
    AlterUserScramCredentialsRequest {
        deletions: Vec<ScramCredentialDeletion> [0..],
        upsertions: Vec<ScramCredentialUpsertion> [0..],
    }

    /// One to delete.
    ScramCredentialDeletion {
        name: Str [0..],
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [0..],
    }

    /// One to set.
    ScramCredentialUpsertion {
        name: Str [0..],
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [0..],
        iterations: i32 [0..],
        salt: Bytes [0..],
        salted_password: Bytes [0..],
    }

    /// What became of each user.
    AlterUserScramCredentialsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        results: Vec<AlterUserScramCredentialsResult> [0..],
    }

    /// Of a user.
    AlterUserScramCredentialsResult {
        user: Str [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
