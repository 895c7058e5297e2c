//! DescribeGroups: states and members of groups.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DescribeGroups.
    DescribeGroups: DescribeGroupsRequest => DescribeGroupsResponse, versions 0..=6, flexible 5
}

structs! {
    /// Which groups.
    DescribeGroupsRequest {
        groups: Vec<Str> [0..],
        include_authorized_operations: bool [3..]; ignorable,
    }

    /// The groups.
    DescribeGroupsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
        groups: Vec<DescribedGroup> [0..],
    }

    /// A group.
    DescribedGroup {
        error_code: i16 [0..],
        error_message: Option<Str> [6..]; ignorable,
        group_id: Str [0..],
        group_state: Str [0..],
        protocol_type: Str [0..],
        protocol_data: Str [0..],
        members: Vec<DescribedMember> [0..],
        authorized_operations: i32 [3..] = i32::MIN; ignorable,
    }

    /// A member.
    DescribedMember {
        member_id: Str [0..],
        group_instance_id: Option<Str> [4..]; ignorable,
        client_id: Str [0..],
        client_host: Str [0..],
        member_metadata: Bytes [0..],
        member_assignment: Bytes [0..],
    }
}
