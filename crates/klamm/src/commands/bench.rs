//! `klamm bench`: load at a fixed rate, with percentiles of the latency.
//!
//! The load is *open loop*: each request has a time at which it is due, and its latency counts from then, so that a server
//! that stalls is not excused by a client that waits for it (coordinated omission). Without a rate the load is as
//! much as the server takes with a bounded number of requests in flight, and the latency is that under full load.

mod kafka;
mod measure;
mod mqtt;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Publish over MQTT; latency is the time to PUBACK or PUBCOMP
    MqttPublish(mqtt::publish::Args),
    /// Publish over MQTT to many subscribers; latency is that from publisher to subscriber
    MqttFanout(mqtt::fanout::Args),
    /// Open MQTT connections and keep them
    MqttConnect(mqtt::connect::Args),
    /// Produce over the Kafka protocol; latency is the time to the acknowledgement
    KafkaProduce(kafka::produce::Args),
    /// Consume a topic over the Kafka protocol from its beginning
    KafkaConsume(kafka::consume::Args),
}

/// Flags of every load.
#[derive(Debug, Clone, clap::Args)]
struct Load {
    /// Connections at the same time
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,

    /// Messages a second over all clients; 0 for as many as the server takes
    #[arg(short, long, default_value_t = 0, value_name = "N")]
    rate: u64,

    /// Bytes of each message
    #[arg(short, long, default_value_t = 100, value_name = "BYTES")]
    size: usize,

    /// How long
    #[arg(short = 't', long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// The result as one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<(), String> {
    match args.what {
        What::MqttPublish(args) => mqtt::publish::run(args).await,
        What::MqttFanout(args) => mqtt::fanout::run(args).await,
        What::MqttConnect(args) => mqtt::connect::run(args).await,
        What::KafkaProduce(args) => kafka::produce::run(args).await,
        What::KafkaConsume(args) => kafka::consume::run(args).await,
    }
}
