//! Properties that the operator sets itself, and what to use instead.

use klamm_crd::Listener;

const IDS: &str = "node ids are given out from spec.firstNodeId of the KafkaNodePool: leave it out";
const ROLES: &str = "use spec.roles of the KafkaNodePool";
const LISTENERS: &str = "use spec.listeners of the KafkaCluster";
const QUORUM: &str =
    "the quorum is the operator's, which counts on Kafka's own values: leave it out";
const STORAGE: &str = "use spec.volumes of the KafkaNodePool";
const TLS: &str = "use tls of spec.listeners of the KafkaCluster";
const AUTHENTICATION: &str = "use authentication of spec.listeners of the KafkaCluster";
const AUTHORIZATION: &str = "use spec.authorization of the KafkaCluster";
const RACK: &str = "use spec.rack of the KafkaCluster";
const ZOOKEEPER: &str = "Kafka 4 knows no ZooKeeper: leave it out";
const METADATA: &str = "Kafka 4 has no such property: use spec.metadataVersion of the KafkaCluster";
const PRINCIPALS: &str =
    "nodes and operator know each other by their certificates' subjects: leave it out";
const SHUTDOWN: &str = "restarts without it lose availability: leave it out";
const THROTTLE: &str = "use spec.reassignment of the KafkaCluster";

/// Sorted. One that ends in `*` stands for all that begin so.
const OWNED: &[(&str, &str)] = &[
    ("advertised.*", LISTENERS),
    ("authorizer.class.name", AUTHORIZATION),
    ("broker.id", IDS),
    ("broker.id.generation.enable", IDS),
    ("broker.rack", RACK),
    ("control.plane.listener.name", LISTENERS),
    ("controlled.shutdown.enable", SHUTDOWN),
    ("controller.listener.names", LISTENERS),
    ("controller.quorum.*", QUORUM),
    ("early.start.listeners", LISTENERS),
    ("follower.replication.throttled.*", THROTTLE),
    ("host.name", LISTENERS),
    ("inter.broker.listener.name", LISTENERS),
    ("inter.broker.protocol.version", METADATA),
    ("leader.replication.throttled.*", THROTTLE),
    ("listener.security.protocol.map", LISTENERS),
    ("listeners", LISTENERS),
    ("log.dir", STORAGE),
    ("log.dirs", STORAGE),
    ("log.message.format.version", METADATA),
    ("metadata.log.dir", STORAGE),
    ("node.id", IDS),
    ("port", LISTENERS),
    ("principal.builder.class", PRINCIPALS),
    ("process.roles", ROLES),
    ("reserved.broker.max.id", IDS),
    ("sasl.enabled.mechanisms", AUTHENTICATION),
    ("sasl.jaas.config", AUTHENTICATION),
    ("sasl.mechanism.controller.protocol", LISTENERS),
    ("sasl.mechanism.inter.broker.protocol", LISTENERS),
    ("security.inter.broker.protocol", LISTENERS),
    ("ssl.client.auth", AUTHENTICATION),
    ("ssl.endpoint.identification.algorithm", TLS),
    ("ssl.engine.factory.class", TLS),
    ("ssl.key.password", TLS),
    ("ssl.keystore.*", TLS),
    ("ssl.principal.mapping.rules", PRINCIPALS),
    ("ssl.truststore.*", TLS),
    ("super.users", AUTHORIZATION),
    ("zookeeper.*", ZOOKEEPER),
];

/// Of one listener for clients. Anything else may be set for it.
const OWNED_OF_LISTENER: &[(&str, &str)] = &[
    ("sasl.enabled.mechanisms", AUTHENTICATION),
    ("scram-sha-512.sasl.jaas.config", AUTHENTICATION),
    ("ssl.client.auth", AUTHENTICATION),
    ("ssl.engine.factory.class", TLS),
    ("ssl.key.password", TLS),
    ("ssl.keystore.*", TLS),
    ("ssl.truststore.*", TLS),
];

/// What to use instead of a property that is the operator's.
pub(super) fn remedy(key: &str, listeners: &[Listener]) -> Option<String> {
    let Some(rest) = key.strip_prefix("listener.name.") else {
        return of(OWNED, key).map(str::to_owned);
    };
    let (listener, own) = rest.split_once('.').unwrap_or((rest, ""));
    if matches!(listener, "controller" | "internal") {
        return Some(format!(
            "the listener {} is the operator's: leave it out",
            listener.to_uppercase()
        ));
    }
    if listeners.iter().all(|known| known.name != listener) {
        let names: Vec<&str> = listeners.iter().map(|known| &*known.name).collect();
        return Some(format!("there is no listener {listener:?}: there is {}", names.join(", ")));
    }
    of(OWNED_OF_LISTENER, own).map(str::to_owned)
}

fn of(table: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == pattern,
    };
    table.iter().find(|(pattern, _)| matches(pattern)).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::super::spelling;
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(OWNED.is_sorted_by_key(|(key, _)| *key));
        assert!(OWNED_OF_LISTENER.is_sorted_by_key(|(key, _)| *key));
    }

    #[test]
    fn no_property_that_the_operator_renders_is_left_to_others() {
        use super::super::super::{build, testing};
        let validated = testing::secured();
        for (id, node) in &validated.nodes {
            let all = build::properties::of(&validated, *id, node);
            let defaults = build::defaults::of(validated.brokers(), node.inputs.rack);
            let own = all.keys().filter(|key| {
                !defaults.contains_key(*key) && !node.inputs.config.contains_key(*key)
            });
            for key in own {
                assert!(remedy(key, &validated.listeners).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn names_without_asterisk_that_kafka_knows_are_spelt_as_kafka_does() {
        let gone = [
            "control.plane",
            "controlled",
            "host",
            "port",
            "reserved",
            "log.message",
            "broker.id.",
            "inter.broker.protocol",
        ];
        let still = OWNED.iter().filter(|(key, _)| {
            !key.ends_with('*') && !gone.iter().any(|gone| key.starts_with(gone))
        });
        for (key, _) in still.filter(|(key, _)| *key != "super.users") {
            assert!(spelling::is_known(key), "{key}");
        }
    }
}
