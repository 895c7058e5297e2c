//! CreateAcls: allow or deny.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// CreateAcls (KIP-140, KIP-290 prefixes).
    CreateAcls: CreateAclsRequest => CreateAclsResponse, versions 1..=3, flexible 2
}

structs! {
    /// The rules.
    CreateAclsRequest {
        creations: Vec<AclCreation> [0..],
    }

    /// A rule.
    AclCreation {
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 [0..],
        resource_name: Str [0..],
        /// 3 literal, 4 prefixed.
        resource_pattern_type: i8 [1..] = 3,
        /// Such as `User:a`.
        principal: Str [0..],
        /// An address, or `*`.
        host: Str [0..],
        /// 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and so on.
        operation: i8 [0..],
        /// 2 deny, 3 allow.
        permission_type: i8 [0..],
    }

    /// What became of each, in the order of the request.
    CreateAclsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        results: Vec<AclCreationResult> [0..],
    }

    /// Of a rule.
    AclCreationResult {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
