//! ApiVersions (KIP-35): the table of what is served.

use klamm_kafka_proto::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use klamm_kafka_proto::{ApiKey, ErrorCode};

use super::Served;

/// The table, or in a version that is not served the same as version 0 with an error, from which the client learns
/// what to ask with.
pub(super) fn table(served: &[Served], error: ErrorCode) -> ApiVersionsResponse {
    let own = ApiVersion {
        api_key: ApiKey::ApiVersions as i16,
        min_version: *ApiKey::ApiVersions.versions().start(),
        max_version: *ApiKey::ApiVersions.versions().end(),
    };
    let mut api_keys: Vec<ApiVersion> = served
        .iter()
        .map(|api| ApiVersion {
            api_key: api.key as i16,
            min_version: api.advertised_min,
            max_version: *api.versions.end(),
        })
        .collect();
    api_keys.push(own);
    api_keys.sort_by_key(|api| api.api_key);
    ApiVersionsResponse { error_code: error as i16, api_keys, ..Default::default() }
}
