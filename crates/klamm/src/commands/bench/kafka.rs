//! Loads over the Kafka protocol.

use std::time::Duration;

use klamm_kafka::KafkaError;
use klamm_kafka::cluster::Cluster;
use klamm_kafka_proto::messages::metadata::MetadataTopic;

use crate::commands::{KAFKA_DEFAULT, unreachable};

pub mod consume;
pub mod produce;

/// Where and what.
#[derive(Debug, Clone, clap::Args)]
struct Target {
    /// Servers of the Kafka protocol
    #[arg(long, default_value = KAFKA_DEFAULT, value_name = "HOST:PORT,..")]
    kafka: String,

    /// The topic; made by the server if it is not there and the server makes topics by itself
    #[arg(long, default_value = "bench")]
    topic: String,
}

impl Target {
    async fn connect(&self) -> Result<(Cluster, MetadataTopic), String> {
        let connected = Cluster::connect(&self.kafka, "klamm-bench").await;
        let mut cluster = connected.map_err(|error| unreachable(&self.kafka, error))?;
        let mut topic = cluster.topic(&self.topic).await;
        // A topic being made has no leaders for a moment.
        for _ in 0..20 {
            if !topic.as_ref().is_err_and(KafkaError::is_retryable) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            topic = cluster.topic(&self.topic).await;
        }
        Ok((cluster, topic.map_err(|error| error.to_string())?))
    }
}
