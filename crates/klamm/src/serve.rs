//! Assembly: a log, the broker over it, a listener for each protocol, and an orderly end.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use klamm_broker::{Ingest, Interests, Metrics, RouteTable, Subscriptions, Surroundings, Topics};
use klamm_log::{EmbeddedLog, Log};
use klamm_net::{ConnectionLimit, ListenOptions, Listener, ListenerMetrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::{self, Pages};
use crate::metrics::{self, Numbers};
use crate::settings::{Settings, Store};

/// What would be served, for `--check-config`.
pub fn describe(settings: &Settings) -> String {
    let mut text = format!("{:<8}{}\n", "log", settings.store);
    for (name, address) in settings.listeners() {
        let address = address.map_or_else(|| "off".to_owned(), |address| address.to_string());
        let _ = writeln!(text, "{name:<8}{address}");
    }
    for route in &settings.routes {
        let _ = writeln!(text, "{:<8}{route}", "route");
    }
    text
}

/// Serves until SIGTERM or SIGINT.
pub fn run(settings: Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(serve(settings))
}

/// The log that the broker runs on; the embedded one by its own type, for the Kafka protocol asks more of it.
struct Opened {
    log: Arc<dyn Log>,
    embedded: Option<Arc<EmbeddedLog>>,
}

async fn open(settings: &Settings) -> Result<Opened, String> {
    match &settings.store {
        Store::Embedded { data, disk_budget_bytes } => {
            let options = klamm_log::Options {
                default_partitions: settings.default_partitions,
                disk_budget_bytes: *disk_budget_bytes,
                ..Default::default()
            };
            let log =
                EmbeddedLog::open(data, options).await.map_err(|error| error.to_string())?;
            Ok(Opened { log: Arc::<EmbeddedLog>::clone(&log), embedded: Some(log) })
        }
        #[cfg(feature = "kafka")]
        Store::Kafka { bootstrap, properties } => {
            let log = klamm_log_kafka::KafkaLog::connect(bootstrap, properties, Default::default());
            Ok(Opened { log: log.map_err(|error| error.to_string())?, embedded: None })
        }
        #[cfg(not(feature = "kafka"))]
        Store::Kafka { .. } => Err("kafka: this klamm was built without Apache Kafka \
                                    (cargo feature `kafka`)"
            .into()),
    }
}

async fn serve(settings: Settings) -> Result<(), String> {
    let shutdown = CancellationToken::new();
    let listeners = Listeners::bind(&settings)?;
    let opened = open(&settings).await?;
    let broker = Broker::new(&settings, Arc::clone(&opened.log))?;
    let tasks = TaskTracker::new();
    tasks.spawn(Arc::clone(&broker.interests).watch(shutdown.clone()));
    println!("{}", table(&settings, &listeners));
    let pages = Pages {
        registry: metrics::registry(Numbers {
            broker: Arc::clone(&broker.metrics),
            listeners: listeners.metrics(),
            log: opened.log.status(),
        }),
        log: opened.log.status(),
        draining: shutdown.clone(),
    };
    if let Some(listener) = listeners.http {
        tasks.spawn(http::serve(listener, Arc::new(pages), shutdown.clone()));
    }
    if let Some(listener) = listeners.mqtt {
        tasks.spawn(broker.serve_mqtt(&settings, listener, shutdown.clone()));
    }
    if let (Some(listener), Some(log)) = (listeners.kafka, opened.embedded) {
        let served = broker.serve_kafka(&settings, log, listener, shutdown.clone()).await;
        tasks.spawn(served.map_err(|error| error.to_string())?);
    }
    let why = told_to_end(&opened.log).await;
    tracing::info!(why, "draining");
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    opened.log.close().await.map_err(|error| format!("the log did not close cleanly: {error}"))?;
    tracing::info!("ended");
    Ok(())
}

/// Resolves when a signal comes.
async fn told_to_end(log: &Arc<dyn Log>) -> &'static str {
    let _ = log;
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the system ends the process as it always did.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}
