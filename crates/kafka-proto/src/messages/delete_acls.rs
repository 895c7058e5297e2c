//! DeleteAcls: take rules away.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// DeleteAcls (KIP-140, KIP-290 prefixes).
    DeleteAcls: DeleteAclsRequest => DeleteAclsResponse, versions 1..=3, flexible 2
}

structs! {
    /// Which.
    DeleteAclsRequest {
        filters: Vec<DeleteAclsFilter> [0..],
    }

    /// Rules that match.
    DeleteAclsFilter {
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user; 1 matches any.
        resource_type_filter: i8 [0..],
        /// `None` matches any.
        resource_name_filter: Option<Str> [0..],
        /// 3 literal, 4 prefixed; 1 matches any, 2 whatever applies to the name.
        pattern_type_filter: i8 [1..] = 3,
        /// Such as `User:a`; `None` matches any.
        principal_filter: Option<Str> [0..],
        /// `None` matches any.
        host_filter: Option<Str> [0..],
        /// 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and so on; 1 matches any.
        operation: i8 [0..],
        /// 2 deny, 3 allow; 1 matches any.
        permission_type: i8 [0..],
    }

    /// What became of each filter, in the order of the request.
    DeleteAclsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        filter_results: Vec<DeleteAclsFilterResult> [0..],
    }

    /// Of a filter.
    DeleteAclsFilterResult {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        matching_acls: Vec<DeleteAclsMatchingAcl> [0..],
    }

    /// A rule that matched.
    DeleteAclsMatchingAcl {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 [0..],
        resource_name: Str [0..],
        /// 3 literal, 4 prefixed.
        pattern_type: i8 [1..] = 3,
        principal: Str [0..],
        host: Str [0..],
        /// 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and so on.
        operation: i8 [0..],
        /// 2 deny, 3 allow.
        permission_type: i8 [0..],
    }
}
