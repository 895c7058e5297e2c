//! Client quotas.

use klamm_kafka::admin::{QuotaAlteration, QuotaEntity, QuotaEntityType, QuotaFilter, QuotaMatch};

use crate::cluster::{KafkaCluster, block_on, until};

const RATE: &str = "producer_byte_rate";

pub(crate) fn come_and_go(cluster: &KafkaCluster) {
    block_on(async {
        let mut admin = cluster.admin();
        let named: QuotaEntity = [(QuotaEntityType::User, Some("quota".to_owned()))].into();
        let default: QuotaEntity = [(QuotaEntityType::ClientId, None)].into();
        let alter = |entity: &QuotaEntity, name: &str, value| QuotaAlteration {
            entity: entity.clone(),
            quotas: [(name.to_owned(), value)].into(),
        };
        let both = [alter(&named, RATE, Some(1024.0)), alter(&default, RATE, Some(0.5))];
        let outcomes = admin.alter_client_quotas(&both, false).await.unwrap();
        assert!(outcomes[&named].is_ok(), "{outcomes:?}");
        assert!(outcomes[&default].is_err());

        let any = QuotaMatch::Exact("quota".into());
        let filter =
            QuotaFilter { components: [(QuotaEntityType::User, any)].into(), strict: true };
        let has_rate = |found: &std::collections::BTreeMap<QuotaEntity, _>| !found.is_empty();
        let asked = async || admin.describe_client_quotas(&filter).await;
        let found = until("the quota is there", asked, has_rate).await;
        assert_eq!(found[&named], [(RATE.to_owned(), 1024.0)].into());

        let gone = [alter(&named, RATE, None)];
        assert!(admin.alter_client_quotas(&gone, false).await.unwrap()[&named].is_ok());
        let asked = async || admin.describe_client_quotas(&filter).await;
        until("the quota is gone", asked, std::collections::BTreeMap::is_empty).await;
    });
}
