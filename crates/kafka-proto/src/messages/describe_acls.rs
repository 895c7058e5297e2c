//! DescribeAcls: who may do what.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// DescribeAcls (KIP-140, KIP-290 prefixes).
    DescribeAcls: DescribeAclsRequest => DescribeAclsResponse, versions 1..=3, flexible 2
}

structs! {
    /// Which.
    DescribeAclsRequest {
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

    /// Those that match.
    DescribeAclsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        resources: Vec<DescribeAclsResource> [0..],
    }

    /// Of a resource.
    DescribeAclsResource {
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 [0..],
        resource_name: Str [0..],
        /// 3 literal, 4 prefixed.
        pattern_type: i8 [1..] = 3,
        acls: Vec<AclDescription> [0..],
    }

    /// A rule.
    AclDescription {
        principal: Str [0..],
        host: Str [0..],
        /// 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and so on.
        operation: i8 [0..],
        /// 2 deny, 3 allow.
        permission_type: i8 [0..],
    }
}
