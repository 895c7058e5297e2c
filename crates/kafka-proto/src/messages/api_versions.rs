//! ApiVersions: which APIs and versions a broker serves.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// ApiVersions (KIP-35, KIP-511, KIP-584).
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse, versions 0..=4, flexible 3
}

structs! {
    /// Asks for the table; names the client's software.
    ApiVersionsRequest {
        client_software_name: Str [3..]; ignorable,
        client_software_version: Str [3..]; ignorable,
    }

    /// The table.
    ApiVersionsResponse {
        error_code: i16 [0..],
        api_keys: Vec<ApiVersion> [0..],
        /// Milliseconds.
        throttle_time_ms: i32 [1..]; ignorable,
    }
    @tagged {
        0 => supported_features: Vec<SupportedFeature> [3..],
        1 => finalized_features_epoch: i64 [3..] = -1,
        2 => finalized_features: Vec<FinalizedFeature> [3..],
        3 => zk_migration_ready: bool [3..],
    }

    /// One API.
    ApiVersion {
        api_key: i16 [0..],
        min_version: i16 [0..],
        max_version: i16 [0..],
    }

    /// A feature the broker could have (KIP-584).
    SupportedFeature {
        name: Str [3..],
        min_version: i16 [3..],
        max_version: i16 [3..],
    }

    /// A feature the cluster has agreed on (KIP-584).
    FinalizedFeature {
        name: Str [3..],
        max_version_level: i16 [3..],
        min_version_level: i16 [3..],
    }
}
