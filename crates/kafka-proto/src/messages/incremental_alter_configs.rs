//! IncrementalAlterConfigs: change single configurations.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// IncrementalAlterConfigs (KIP-339).
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse, versions 0..=1, flexible 1
}

structs! {
    /// The changes.
    IncrementalAlterConfigsRequest {
        resources: Vec<IncrementalAlterConfigsResource> [0..],
        validate_only: bool [0..],
    }

    /// Of a resource.
    IncrementalAlterConfigsResource {
        resource_type: i8 [0..],
        resource_name: Str [0..],
        configs: Vec<IncrementalAlterableConfig> [0..],
    }

    /// A change: 0 set, 1 delete, 2 append, 3 subtract.
    IncrementalAlterableConfig {
        name: Str [0..],
        config_operation: i8 [0..],
        value: Option<Str> [0..],
    }

    /// What became of each.
    IncrementalAlterConfigsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        responses: Vec<IncrementalAlterConfigsResourceResponse> [0..],
    }

    /// Of a resource.
    IncrementalAlterConfigsResourceResponse {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        resource_type: i8 [0..],
        resource_name: Str [0..],
    }
}
