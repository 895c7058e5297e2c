//! A Kafka broker on an embedded log, in a directory of its own:
//!
//! ```text
//! RUST_LOG=debug cargo run -p klamm-broker --example kafka_server -- 127.0.0.1:9092 /tmp/klamm-data
//! kcat -b 127.0.0.1:9092 -L
//! ```

use std::path::Path;
use std::sync::Arc;

use klamm_broker::Metrics;
use klamm_broker::kafka::{KafkaOptions, KafkaService};
use klamm_kafka::server::{Limits, serve};
use klamm_log::{EmbeddedLog, Log, Options};
use klamm_net::{ListenOptions, Listener};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let directory = arguments.next().unwrap_or_else(|| "klamm-data".to_owned());

    let log = EmbeddedLog::open(Path::new(&directory), Options::default()).await?;
    let metrics = Arc::new(Metrics::default());
    let options = KafkaOptions::default();
    let service = KafkaService::open(Arc::clone(&log), options, metrics).await?;
    let service = Arc::new(service);
    let listener = Listener::bind("kafka", address.parse()?, ListenOptions::default())?;
    println!("listening on {}, data in {directory}", listener.local_address());

    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        // Without a signal handler there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let drained = listener
        .serve(shutdown, move |connection| {
            let service = Arc::clone(&service);
            async move { serve(&*service, &Limits::default(), connection).await }
        })
        .await;
    println!("drained; {} connections cut", drained.left);
    log.close().await?;
    Ok(())
}
