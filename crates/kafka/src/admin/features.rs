//! What the cluster has agreed on: ApiVersions, UpdateFeatures (KIP-584, KIP-1022).

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::api_versions::{ApiVersions, ApiVersionsRequest};
use klamm_kafka_proto::messages::update_features::{
    FeatureUpdateKey, UpdateFeatures, UpdateFeaturesRequest,
};

use super::numbered::numbered;
use super::{Admin, To, said, text};
use crate::KafkaError;
use crate::cluster::check;

/// Features of a cluster, such as `metadata.version`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Lowest and highest level that the node asked can have.
    pub supported: BTreeMap<String, (i16, i16)>,
    /// Level the cluster has agreed on. A feature that is off is not here.
    pub finalized: BTreeMap<String, i16>,
    /// Rises with each change; `None` where the node does not know yet.
    pub epoch: Option<i64>,
}

numbered! {
    /// Which changes of a level are allowed.
    UpgradeType {
        /// To a higher one.
        Upgrade = 1,
        /// To a lower one, when nothing is lost.
        SafeDowngrade = 2,
        /// To a lower one, whatever is lost.
        UnsafeDowngrade = 3,
    }
}

/// A new level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// Of which feature.
    pub name: String,
    /// The level; 0 takes the feature away.
    pub level: i16,
    /// What is allowed.
    pub upgrade: UpgradeType,
}

impl Admin {
    /// What one node can do, and what the cluster has agreed on.
    ///
    /// # Errors
    /// Of the connection or the node asked.
    pub async fn describe_features(&mut self) -> Result<Features, KafkaError> {
        let request = ApiVersionsRequest {
            client_software_name: "klamm".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        let response = self.call::<ApiVersions>(To::Any, &request, |r| r.error_code).await?;
        check(response.error_code, || "features".into())?;
        let supported = response.supported_features.iter();
        let finalized = response.finalized_features.iter();
        Ok(Features {
            supported: supported
                .map(|feature| (text(&feature.name), (feature.min_version, feature.max_version)))
                .collect(),
            finalized: finalized
                .map(|feature| (text(&feature.name), feature.max_version_level))
                .collect(),
            epoch: Some(response.finalized_features_epoch).filter(|epoch| *epoch >= 0),
        })
    }

    /// Sets levels, all or none of them, or only checks that they could be set.
    ///
    /// # Errors
    /// `InvalidUpdateVersion` and `FeatureUpdateFailed` when a level cannot be.
    pub async fn update_features(
        &mut self,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let update = |update: &FeatureUpdate| FeatureUpdateKey {
            feature: update.name.as_str().into(),
            max_version_level: update.level,
            upgrade_type: update.upgrade.number(),
            ..FeatureUpdateKey::default()
        };
        let request = UpdateFeaturesRequest {
            timeout_ms: self.timeout_ms(),
            feature_updates: updates.iter().map(update).collect(),
            validate_only,
        };
        let response =
            self.call::<UpdateFeatures>(To::Controller, &request, |r| r.error_code).await?;
        let what = || "update features".to_owned();
        said(response.error_code, response.error_message.as_ref(), what)?;
        // Before Kafka 4.0 each feature has its own word.
        for result in &response.results {
            let what = || format!("update feature {}", result.feature);
            said(result.error_code, result.error_message.as_ref(), what)?;
        }
        Ok(())
    }
}
