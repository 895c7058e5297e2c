//! Loads over the Kafka protocol.

use klamm_kafka::cluster::Cluster;
use klamm_kafka_proto::messages::metadata::MetadataTopic;

use crate::commands::{KAFKA_DEFAULT, ready_topic, unreachable};

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
        let topic = ready_topic(&mut cluster, &self.topic).await?;
        Ok((cluster, topic))
    }
}
