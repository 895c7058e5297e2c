//! A cluster as it is, read from Kubernetes, the agents and Kafka at once.

pub mod kafka;
pub mod pod;
pub mod settling;
