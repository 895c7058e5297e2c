//! Configurations of topics and brokers.

use klamm_kafka::admin::{ConfigAlteration, ConfigChange, ConfigEntry, ConfigSource, Resource};
use klamm_kafka_proto::ErrorCode;

use crate::cluster::{BROKERS, KafkaCluster, block_on, until};

fn set(resource: Resource, name: &str, value: &str) -> ConfigAlteration {
    ConfigAlteration { resource, changes: vec![ConfigChange::Set(name.into(), value.into())] }
}

fn entry<'a>(entries: &'a [ConfigEntry], name: &str) -> &'a ConfigEntry {
    entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("{name}"))
}

pub(crate) fn sources_are_told(cluster: &KafkaCluster) {
    block_on(async {
        let mut admin = cluster.admin();
        let [first, second] = BROKERS.map(Resource::Broker);
        let alterations = [
            set(first.clone(), "log.cleaner.backoff.ms", "14999"),
            set(Resource::EveryBroker, "log.cleaner.backoff.ms", "14998"),
            set(second.clone(), "node.id", "7"),
            set(Resource::Broker(99), "log.cleaner.backoff.ms", "1"),
        ];
        let outcomes = admin.incremental_alter_configs(&alterations, false).await.unwrap();
        assert!(outcomes[&first].is_ok() && outcomes[&Resource::EveryBroker].is_ok());
        assert_eq!(
            outcomes[&second].as_ref().unwrap_err().code(),
            Some(ErrorCode::InvalidRequest),
            "{:?}",
            outcomes[&second]
        );
        assert!(outcomes[&Resource::Broker(99)].is_err());

        let resources = [first.clone(), second.clone(), Resource::Broker(99)];
        let found = until(
            "both brokers know",
            async || admin.describe_configs(&resources, None).await,
            |found| {
                let value = |broker| {
                    let entries = found[broker].as_deref().unwrap_or_default();
                    entry(entries, "log.cleaner.backoff.ms").value.clone()
                };
                [value(&first), value(&second)] == [Some("14999".into()), Some("14998".into())]
            },
        )
        .await;
        let entries = found[&first].as_ref().unwrap();
        assert!(entry(entries, "log.cleaner.backoff.ms").is_broker_override());
        let id = entry(entries, "node.id");
        assert_eq!((id.source, id.is_read_only), (ConfigSource::StaticBroker, true));
        let store = entry(entries, "ssl.truststore.location");
        assert!(!store.is_read_only && !store.is_sensitive);
        let password = entry(entries, "ssl.key.password");
        assert!(password.is_sensitive && password.value.is_none());
        let of_second = entry(found[&second].as_ref().unwrap(), "log.cleaner.backoff.ms");
        assert_eq!(of_second.source, ConfigSource::DynamicDefaultBroker);
        assert!(found[&Resource::Broker(99)].is_err());

        let delete = |resource| ConfigAlteration {
            resource,
            changes: vec![ConfigChange::Delete("log.cleaner.backoff.ms".into())],
        };
        let both = [delete(first.clone()), delete(Resource::EveryBroker)];
        let outcomes = admin.incremental_alter_configs(&both, false).await.unwrap();
        assert!(outcomes.values().all(Result::is_ok), "{outcomes:?}");
    });
}

/// The operator's list, read from its source: the crates know nothing of each other.
const OPERATOR: &str = include_str!("../../../operator-core/src/roller/dynamic.rs");

/// Shown only while they are set.
const THROTTLES: &[&str] = &[
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// Could be changed live, and the operator does not.
const RESTARTED: &[&str] = &["config.providers", "listener.security.protocol.map", "listeners"];

fn taken_for_live() -> Vec<&'static str> {
    let (_, list) = OPERATOR.split_once("const DYNAMIC").expect("the list");
    let (list, _) = list.split_once("];").expect("its end");
    list.split('"').skip(1).step_by(2).collect()
}

pub(crate) fn live_ones_are_known(cluster: &KafkaCluster) {
    let broker = Resource::Broker(BROKERS[0]);
    let found = block_on(async {
        cluster.admin().describe_configs(std::slice::from_ref(&broker), None).await.unwrap()
    });
    let entries = found[&broker].as_ref().unwrap();
    let live = entries.iter().filter(|entry| !entry.is_read_only);
    let live: Vec<_> = live.map(|entry| entry.name.as_str()).collect();
    let known = taken_for_live();
    let is_apart = |name: &str| {
        let families = ["ssl.", "listener.name."];
        RESTARTED.contains(&name) || families.iter().any(|family| name.starts_with(family))
    };
    let is_wrong = |name: &&&str| !live.contains(*name) && !THROTTLES.contains(*name);
    let wrong: Vec<_> = known.iter().filter(is_wrong).collect();
    let missing: Vec<_> =
        live.iter().filter(|name| !is_apart(name) && !known.contains(name)).collect();
    assert!(wrong.is_empty() && missing.is_empty(), "not live: {wrong:?}; missing: {missing:?}");
}
