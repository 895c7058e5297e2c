//! DescribeCluster: the brokers.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DescribeCluster (KIP-700).
    DescribeCluster: DescribeClusterRequest => DescribeClusterResponse, versions 0..=2, flexible 0
}

structs! {
    /// Which endpoints: 1 brokers, 2 controllers.
    DescribeClusterRequest {
        include_cluster_authorized_operations: bool [0..],
        endpoint_type: i8 [1..] = 1; ignorable,
        include_fenced_brokers: bool [2..]; ignorable,
    }

    /// The cluster.
    DescribeClusterResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        endpoint_type: i8 [1..] = 1; ignorable,
        cluster_id: Str [0..],
        controller_id: i32 [0..] = -1,
        brokers: Vec<DescribeClusterBroker> [0..],
        cluster_authorized_operations: i32 [0..] = i32::MIN,
    }

    /// A broker.
    DescribeClusterBroker {
        broker_id: i32 [0..],
        host: Str [0..],
        port: i32 [0..],
        rack: Option<Str> [0..],
        is_fenced: bool [2..]; ignorable,
    }
}
