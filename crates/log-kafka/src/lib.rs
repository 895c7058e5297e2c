//! The log on an Apache Kafka cluster.
#![deny(missing_docs)]
