//! UpdateFeatures: raise or lower what the cluster has agreed on.

use crate::declare::{api, structs};
use crate::wire::Str;

api! {
    /// UpdateFeatures (KIP-584, KIP-1022).
    UpdateFeatures: UpdateFeaturesRequest => UpdateFeaturesResponse, versions 0..=2, flexible 0
}

structs! {
    /// The new levels.
    UpdateFeaturesRequest {
        /// Milliseconds.
        timeout_ms: i32 [0..] = 60000,
        feature_updates: Vec<FeatureUpdateKey> [0..],
        validate_only: bool [1..],
    }

    /// Of a feature.
    FeatureUpdateKey {
        feature: Str [0..],
        /// Below 1 takes the feature away.
        max_version_level: i16 [0..],
        allow_downgrade: bool [0..=0],
        /// 1 upgrade, 2 downgrade without loss, 3 downgrade with loss.
        upgrade_type: i8 [1..] = 1,
    }

    /// What became of it.
    UpdateFeaturesResponse {
        /// Milliseconds.
        throttle_time_ms: i32 [0..]; ignorable,
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
        results: Vec<UpdatableFeatureResult> [0..=1]; ignorable,
    }

    /// Of a feature.
    UpdatableFeatureResult {
        feature: Str [0..],
        error_code: i16 [0..],
        error_message: Option<Str> [0..],
    }
}
