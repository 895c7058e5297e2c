//! DescribeUserScramCredentials: who has which.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// DescribeUserScramCredentials (KIP-554).
    DescribeUserScramCredentials: DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse, versions 0..=0, flexible 0
}

structs! {
    /// Whose; `None` for all.
    DescribeUserScramCredentialsRequest {
        users: Option<Vec<UserName>> [0..],
    }

    /// A user.
    UserName {
        name: Str [0..],
    }

    /// The credentials.
    DescribeUserScramCredentialsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        results: Vec<DescribeUserScramCredentialsResult> [0..],
    }

    /// Of a user.
    DescribeUserScramCredentialsResult {
        user: Str [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        credential_infos: Vec<CredentialInfo> [0..],
    }

    /// A credential, without its secrets.
    CredentialInfo {
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [0..],
        iterations: i32 [0..],
    }
}
