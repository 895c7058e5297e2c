//! KafkaCluster and KafkaNodePool: an Apache Kafka cluster, from an empty namespace to one that heals itself.

pub mod status;
