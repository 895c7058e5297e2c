//! AlterConfigs: replace all configurations of a resource.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// AlterConfigs (KIP-133).
    AlterConfigs: AlterConfigsRequest => AlterConfigsResponse, versions 0..=2, flexible 2
}

structs! {
    /// The new configurations.
    AlterConfigsRequest {
        resources: Vec<AlterConfigsResource> [0..],
        validate_only: bool [0..],
    }

    /// Of a resource.
    AlterConfigsResource {
        resource_type: i8 [0..],
        resource_name: Str [0..],
        configs: Vec<AlterableConfig> [0..],
    }

    /// A configuration.
    AlterableConfig {
        name: Str [0..],
        value: Option<Str> [0..],
    }

    /// What became of each.
    AlterConfigsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        responses: Vec<AlterConfigsResourceResponse> [0..],
    }

    /// Of a resource.
    AlterConfigsResourceResponse {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        resource_type: i8 [0..],
        resource_name: Str [0..],
    }
}
