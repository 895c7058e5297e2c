//! DescribeConfigs: configurations with their sources.

use crate::declare::{api, structs};
#[allow(unused_imports)]
use crate::wire::{Nullable, Str, Uuid};
#[allow(unused_imports)]
use bytes::Bytes;

api! {
    /// DescribeConfigs (KIP-133, KIP-226 synonyms, KIP-569 documentation).
    DescribeConfigs: DescribeConfigsRequest => DescribeConfigsResponse, versions 1..=4, flexible 4
}

structs! {
    /// Which configurations.
    DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource> [0..],
        include_synonyms: bool [1..],
        include_documentation: bool [3..]; ignorable,
    }

    /// A resource: type 2 is a topic, 4 a broker.
    DescribeConfigsResource {
        resource_type: i8 [0..],
        resource_name: Str [0..],
        /// `None` for all.
        configuration_keys: Option<Vec<Str>> [0..],
    }

    /// The configurations.
    DescribeConfigsResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        results: Vec<DescribeConfigsResult> [0..],
    }

    /// Of a resource.
    DescribeConfigsResult {
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        resource_type: i8 [0..],
        resource_name: Str [0..],
        configs: Vec<DescribeConfigsResourceResult> [0..],
    }

    /// A configuration.
    DescribeConfigsResourceResult {
        name: Str [0..],
        value: Option<Str> [0..],
        read_only: bool [0..],
        /// 1 topic, 2 dynamic broker, 4 static broker, 5 default.
        config_source: i8 [1..] = -1; ignorable,
        is_sensitive: bool [0..],
        synonyms: Vec<DescribeConfigsSynonym> [1..]; ignorable,
        /// 1 boolean, 2 string, 3 int, 5 long, 7 list.
        config_type: i8 [3..]; ignorable,
        documentation: Option<Str> [3..]; ignorable,
    }

    /// Where a value would come from.
    DescribeConfigsSynonym {
        name: Str [1..],
        value: Option<Str> [1..],
        source: i8 [1..],
    }
}
