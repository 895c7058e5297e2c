//! An MQTT broker on an embedded log, in a directory of its own:
//!
//! ```text
//! cargo run -p klamm-broker --example mqtt_server -- 127.0.0.1:1883 /tmp/klamm-data
//! mosquitto_sub -t '#' -v
//! ```

use std::path::Path;
use std::sync::Arc;

use klamm_broker::mqtt::{Mqtt, MqttOptions};
use klamm_broker::{Ingest, Interests, RouteConfig, RouteTable, Surroundings, Topics};
use klamm_log::{EmbeddedLog, Log, Options};
use klamm_mqtt::{CancellationToken, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1883".to_owned());
    let directory = arguments.next().unwrap_or_else(|| "klamm-data".to_owned());

    let log = EmbeddedLog::open(Path::new(&directory), Options::default()).await?;
    let topics = Arc::new(Topics::new(Arc::<EmbeddedLog>::clone(&log)));
    let routes = Arc::new(RouteTable::new(&[RouteConfig::default_route("mqtt", 4)])?);
    let around = Arc::new(Surroundings {
        routes: Arc::clone(&routes),
        subscriptions: Arc::default(),
        metrics: Arc::default(),
    });
    let ingest = Arc::new(Ingest::new(Arc::clone(&topics), routes, Arc::clone(&around.metrics)));
    let interests = Interests::new(topics, Arc::clone(&around));
    let options = MqttOptions { keep_alive_max: 60, ..MqttOptions::default() };
    let mqtt = Mqtt::new(ingest, Arc::clone(&interests), &around, log.status(), options);
    let server = Server::bind(address.parse()?)?;
    println!("listening on {}, data in {directory}", server.local_address());

    let shutdown = CancellationToken::new();
    tokio::spawn(interests.watch(shutdown.clone()));
    let stop = shutdown.clone();
    tokio::spawn(async move {
        // Without a signal handler there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let drained = mqtt.listen(server, shutdown).await;
    println!("drained; {} connections cut", drained.left);
    log.close().await?;
    Ok(())
}
