//! Assembly: a log, the broker over it, a listener for each protocol, and an orderly end.

use std::fmt::Write as _;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use klamm_broker::kafka::{KafkaOptions, KafkaService};
use klamm_broker::mqtt::{Mqtt, MqttOptions};
use klamm_broker::{Ingest, Interests, RouteTable, Surroundings, Topics};
use klamm_log::{EmbeddedLog, Log};
use klamm_mqtt::{Limits, Server};
use klamm_net::{ConnectionLimit, Drained, ListenOptions, Listener, ListenerMetrics};
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
            let log = EmbeddedLog::open(data, options).await.map_err(|error| error.to_string())?;
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
    let registry = metrics::registry(Numbers {
        broker: Arc::clone(&broker.around.metrics),
        listeners: listeners.metrics(),
        log: opened.log.status(),
    });
    let tasks = TaskTracker::new();
    tasks.spawn(Arc::clone(&broker.interests).watch(shutdown.clone()));
    println!("{}", banner(&settings, &listeners));
    if let Some(listener) = listeners.http {
        let (log, draining) = (opened.log.status(), shutdown.clone());
        let pages = Arc::new(Pages { registry, log, draining });
        tasks.spawn(http::serve(listener, pages, shutdown.clone()));
    }
    if let Some(listener) = listeners.mqtt {
        tasks.spawn(broker.mqtt(&settings, listener, shutdown.clone()));
    }
    if let (Some(listener), Some(log)) = (listeners.kafka, opened.embedded) {
        tasks.spawn(broker.kafka(&settings, log, listener, shutdown.clone()).await?);
    }
    let why = end_signal().await;
    tracing::info!(why, "draining");
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    opened.log.close().await.map_err(|error| format!("the log did not close cleanly: {error}"))?;
    tracing::info!("ended");
    Ok(())
}

/// Resolves when the process is told to end.
async fn end_signal() -> &'static str {
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

/// Bound sockets, before anything else: an address in use is the commonest mistake.
struct Listeners {
    kafka: Option<Listener>,
    mqtt: Option<Listener>,
    http: Option<Listener>,
}

impl Listeners {
    fn bind(settings: &Settings) -> Result<Self, String> {
        let options = ListenOptions {
            connections: ConnectionLimit::new(settings.max_connections),
            drain: settings.drain,
        };
        let bind = |(name, address): (&'static str, Option<SocketAddr>)| {
            address
                .map(|address| Listener::bind(name, address, options.clone()))
                .transpose()
                .map_err(|error| error.to_string())
        };
        let [kafka, mqtt, http] = settings.listeners();
        Ok(Self { kafka: bind(kafka)?, mqtt: bind(mqtt)?, http: bind(http)? })
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        let named = [("mqtt", &self.mqtt), ("kafka", &self.kafka), ("http", &self.http)];
        named.into_iter().filter_map(|(name, listener)| Some((name, listener.as_ref()?)))
    }

    fn metrics(&self) -> Vec<(&'static str, Arc<ListenerMetrics>)> {
        self.all().map(|(name, listener)| (name, listener.metrics())).collect()
    }
}

/// The broker over whichever log.
struct Broker {
    topics: Arc<Topics>,
    around: Arc<Surroundings>,
    interests: Arc<Interests>,
}

impl Broker {
    fn new(settings: &Settings, log: Arc<dyn Log>) -> Result<Self, String> {
        let routes = RouteTable::new(&settings.routes).map_err(|error| error.to_string())?;
        let around = Arc::new(Surroundings {
            routes: Arc::new(routes),
            subscriptions: Default::default(),
            metrics: Default::default(),
        });
        let topics = Arc::new(Topics::new(log));
        let interests = Interests::new(Arc::clone(&topics), Arc::clone(&around));
        Ok(Self { topics, around, interests })
    }

    fn mqtt(
        &self,
        settings: &Settings,
        listener: Listener,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Drained> + use<> {
        let Surroundings { routes, metrics, .. } = &*self.around;
        let ingest = Ingest::new(Arc::clone(&self.topics), Arc::clone(routes), Arc::clone(metrics));
        let mqtt = Mqtt::new(
            Arc::new(ingest),
            Arc::clone(&self.interests),
            &self.around,
            self.topics.log().status(),
            MqttOptions::default(),
        );
        let limits =
            Limits { packet_bytes: settings.mqtt_max_packet_bytes as usize, ..Default::default() };
        mqtt.listen(Server::new(listener, limits), shutdown)
    }

    async fn kafka(
        &self,
        settings: &Settings,
        log: Arc<EmbeddedLog>,
        listener: Listener,
        shutdown: CancellationToken,
    ) -> Result<impl Future<Output = Drained> + use<>, String> {
        let options = KafkaOptions {
            advertised: settings.kafka_advertise.clone(),
            auto_create_topics: settings.auto_create_topics,
            default_partitions: settings.default_partitions,
            ..Default::default()
        };
        let service = KafkaService::open(log, options, Arc::clone(&self.around.metrics)).await;
        let service = Arc::new(service.map_err(|error| error.to_string())?);
        Ok(listener.serve(shutdown, move |connection| {
            let service = Arc::clone(&service);
            async move {
                klamm_kafka::server::serve(&*service, &Default::default(), connection).await;
            }
        }))
    }
}

/// What listens where, where the data is, and two lines for another terminal.
fn banner(settings: &Settings, listeners: &Listeners) -> String {
    let mut text = format!("klamm {}\n\n", env!("CARGO_PKG_VERSION"));
    for (name, listener) in listeners.all() {
        let _ = writeln!(text, "  {name:<7}{}", listener.local_address());
    }
    let _ = writeln!(text, "  {:<7}{}", "log", settings.store);
    if let Some(listener) = &listeners.mqtt {
        let program = std::env::args().next().unwrap_or_else(|| "klamm".into());
        let port = listener.local_address().port();
        let server = if port == 1883 { String::new() } else { format!(" --mqtt 127.0.0.1:{port}") };
        let _ = writeln!(text, "\nTry it in two other terminals:\n");
        let _ = writeln!(text, "  {program} sub{server} 'hello/#'");
        let _ = writeln!(text, "  {program} pub{server} hello/world 'It works.'");
    }
    text
}
