//! The small clients: topics, pub, sub, bench.

use std::future::Future;
use std::time::Duration;

use klamm_kafka::cluster::Cluster;
use klamm_kafka_proto::messages::metadata::MetadataTopic;

pub mod bench;
pub mod publish;
pub mod subscribe;
pub mod topics;

/// What clients connect to when nothing else is said: where `klamm` itself listens.
const MQTT_DEFAULT: &str = "127.0.0.1:1883";
const KAFKA_DEFAULT: &str = "127.0.0.1:9092";

/// Runs a command on this thread until it ends or Ctrl-C, which is a good end too.
pub fn run(command: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        tokio::select! {
            ended = command => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// Over which protocol a message goes, and where the server is.
#[derive(Debug, Clone, clap::Args)]
pub struct Via {
    /// Over MQTT, to this server [default: 127.0.0.1:1883]
    #[arg(long, env = "KLAMM_MQTT", value_name = "HOST:PORT", conflicts_with = "kafka")]
    mqtt: Option<String>,

    /// Over the Kafka protocol, to these servers [default: 127.0.0.1:9092]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = KAFKA_DEFAULT, value_name = "HOST:PORT,..")]
    kafka: Option<String>,
}

/// A server to speak to.
#[derive(Debug)]
pub enum Server {
    Mqtt(String),
    Kafka(String),
}

impl Via {
    fn server(self) -> Server {
        match (self.kafka, self.mqtt) {
            (Some(kafka), _) => Server::Kafka(kafka),
            (None, mqtt) => Server::Mqtt(mqtt.unwrap_or_else(|| MQTT_DEFAULT.into())),
        }
    }
}

/// Tries to find a topic that the cluster is still making: it has no leaders for a moment.
const TOPIC_TRIES: usize = 20;
const TOPIC_PAUSE: Duration = Duration::from_millis(250);

/// A topic whose partitions have leaders; made by the cluster if it makes topics by itself.
async fn ready_topic(cluster: &mut Cluster, name: &str) -> Result<MetadataTopic, String> {
    let mut tries = 0;
    loop {
        match cluster.topic(name).await {
            Err(error) if error.is_retryable() && tries < TOPIC_TRIES => tries += 1,
            found => return found.map_err(|error| error.to_string()),
        }
        tokio::time::sleep(TOPIC_PAUSE).await;
    }
}

/// `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("'{text}' is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Says which server could not be reached, and what may be the matter.
fn unreachable(server: &str, error: impl std::fmt::Display) -> String {
    format!("{server}: {error}\nIs klamm running there? Start it with: klamm serve")
}
