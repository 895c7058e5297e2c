//! What the cluster has agreed on.

use klamm_kafka::admin::{FeatureUpdate, UpgradeType};

use crate::cluster::{KafkaCluster, block_on, until};

const FEATURE: &str = "transaction.version";

pub(crate) fn are_updated(cluster: &KafkaCluster) {
    block_on(async {
        let mut admin = cluster.admin();
        let features = admin.describe_features().await.unwrap();
        let (_, newest) = features.supported["metadata.version"];
        assert_eq!(features.finalized["metadata.version"], newest);
        assert_eq!(features.finalized["kraft.version"], 1);
        let level = features.finalized[FEATURE];

        let update = |level, upgrade| [FeatureUpdate { name: FEATURE.into(), level, upgrade }];
        let lower = update(level - 1, UpgradeType::SafeDowngrade);
        let refused = admin.update_features(&update(level - 1, UpgradeType::Upgrade), false).await;
        assert!(!refused.unwrap_err().is_retryable());
        admin.update_features(&lower, true).await.unwrap();
        assert_eq!(admin.describe_features().await.unwrap().finalized[FEATURE], level);
        admin.update_features(&lower, false).await.unwrap();
        let asked = async || admin.describe_features().await;
        until("lowered", asked, |found| found.finalized[FEATURE] == level - 1).await;
        admin.update_features(&update(level, UpgradeType::Upgrade), false).await.unwrap();
        let asked = async || admin.describe_features().await;
        until("raised", asked, |found| found.finalized[FEATURE] == level).await;
    });
}
