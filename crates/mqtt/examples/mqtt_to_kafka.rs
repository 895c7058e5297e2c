//! MQTT messages of devices become Kafka records; they are acknowledged when all in-sync replicas have them.
//!
//!     cargo run -p klamm-mqtt --example mqtt_to_kafka -- 127.0.0.1:1883 127.0.0.1:9092

use klamm_mqtt::{CancellationToken, Inbound, Reason, Router, Server};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

async fn store(inbound: Inbound<FutureProducer>) -> Reason {
    let record = FutureRecord::to("telemetry")
        .key(&inbound.captures["device"])
        .payload(&inbound.message.payload()[..]);
    match inbound.state.send(record, Timeout::Never).await {
        Ok(_) => Reason::Success,
        Err(_) => Reason::UnspecifiedError,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: mqtt_to_kafka LISTEN BOOTSTRAP";
    let (listen, kafka) =
        (std::env::args().nth(1).ok_or(usage)?, std::env::args().nth(2).ok_or(usage)?);
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("enable.idempotence", "true")
        .create()?;
    let router =
        Router::new(producer).publish("telemetry/{tenant}/{device}", store)?.concurrency(100);
    router.serve(Server::bind(listen.parse()?)?, CancellationToken::new()).await;
    Ok(())
}
