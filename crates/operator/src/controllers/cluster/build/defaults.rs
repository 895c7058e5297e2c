//! Good values for what nobody said.

use std::collections::BTreeMap;

/// Properties that depend on how many brokers there are. A node that is kept keeps those of the day it was made.
pub const BY_SIZE: &[&str] = &[
    "default.replication.factor",
    "min.insync.replicas",
    "offsets.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
];

/// Three replicas survive the loss of one while another one is restarted; Kafka refuses more than there are brokers.
pub fn replication(brokers: usize) -> usize {
    brokers.clamp(1, 3)
}

/// With three replicas an acknowledged record is on two. With fewer, asking for two would stop writers at every restart.
pub fn min_isr(brokers: usize) -> usize {
    if replication(brokers) >= 3 { 2 } else { 1 }
}

/// For every node, controllers too: it is they who make a topic that names no replication factor.
pub fn of(brokers: usize, rack: bool) -> BTreeMap<String, String> {
    let (replication, min_isr) = (replication(brokers).to_string(), min_isr(brokers).to_string());
    let by_size = BY_SIZE.iter().map(|key| {
        let is_minimum = key.ends_with("isr") || key.starts_with("min.");
        ((*key).to_owned(), if is_minimum { min_isr.clone() } else { replication.clone() })
    });
    let mut defaults: BTreeMap<String, String> = by_size.collect();
    // Topics are KafkaTopics, or made by who needs them; a name misspelt by a consumer is no reason for one.
    defaults.insert("auto.create.topics.enable".to_owned(), "false".to_owned());
    if rack {
        // Consumers that say where they are read from a replica there; others read from the leader, as ever.
        let class = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        defaults.insert("replica.selector.class".to_owned(), class.to_owned());
    }
    defaults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(brokers: usize, replication: &str, min_isr: &str) {
        let defaults = of(brokers, false);
        assert_eq!(defaults["offsets.topic.replication.factor"], replication);
        assert_eq!(defaults["default.replication.factor"], replication);
        assert_eq!(defaults["min.insync.replicas"], min_isr);
        assert_eq!(defaults["transaction.state.log.min.isr"], min_isr);
    }

    #[test]
    fn replication_follows_the_number_of_brokers_up_to_three() {
        check(1, "1", "1");
        check(2, "2", "1");
        check(3, "3", "2");
        check(50, "3", "2");
    }
}
