//! Settings: one list of names for flags, `KLAMM_*` variables and the TOML file.
//!
//! Flags win over variables, variables over the file, the file over the defaults.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use klamm_broker::RouteConfig;
use serde::Deserialize;

mod size;

pub use size::Size;

/// What a user may set, as given. Everything is optional: [`Settings::resolve`] fills in the defaults.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Given {
    /// Directory of the embedded log [default: klamm-data]
    #[arg(long, env = "KLAMM_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Use this Apache Kafka cluster in place of the embedded log (bootstrap servers)
    #[arg(long, env = "KLAMM_KAFKA", value_name = "HOST:PORT,..")]
    kafka: Option<String>,

    /// A client property for --kafka, such as security.protocol=ssl; may be repeated
    #[arg(long, env = "KLAMM_KAFKA_PROPERTY", value_name = "NAME=VALUE", value_delimiter = ';')]
    kafka_property: Option<Vec<String>>,

    /// As --kafka-property, with the value in a file, such as sasl.password=/run/secrets/password; may be repeated
    #[arg(
        long,
        env = "KLAMM_KAFKA_PROPERTY_FILE",
        value_name = "NAME=FILE",
        value_delimiter = ';'
    )]
    kafka_property_file: Option<Vec<String>>,

    /// Where Kafka clients connect, or "off" [default: 127.0.0.1:9092; off with --kafka]
    #[arg(long, env = "KLAMM_KAFKA_LISTEN", value_name = "HOST:PORT")]
    kafka_listen: Option<Listen>,

    /// Address told to Kafka clients [default: the one they connected to]
    #[arg(long, env = "KLAMM_KAFKA_ADVERTISE", value_name = "HOST:PORT")]
    kafka_advertise: Option<String>,

    /// Where MQTT clients connect, or "off" [default: 127.0.0.1:1883]
    #[arg(long, env = "KLAMM_MQTT_LISTEN", value_name = "HOST:PORT")]
    mqtt_listen: Option<Listen>,

    /// Where health and metrics are served, or "off" [default: 127.0.0.1:8080]
    #[arg(long, env = "KLAMM_HTTP_LISTEN", value_name = "HOST:PORT")]
    http_listen: Option<Listen>,

    /// Listen on addresses that other machines reach although nobody has to log in
    #[arg(long, env = "KLAMM_INSECURE_PUBLIC", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    insecure_public: Option<bool>,

    /// Log topic of MQTT messages that no route takes [default: mqtt]
    #[arg(long, env = "KLAMM_DEFAULT_TOPIC", value_name = "TOPIC")]
    default_topic: Option<String>,

    /// Partitions of topics made without a number [default: 4]
    #[arg(long, env = "KLAMM_DEFAULT_PARTITIONS", value_name = "N")]
    default_partitions: Option<u32>,

    /// Make a topic when a Kafka client asks for one that is not there [default: true]
    #[arg(long, env = "KLAMM_AUTO_CREATE_TOPICS", value_name = "BOOL")]
    auto_create_topics: Option<bool>,

    /// Bytes of records to keep on disk over all topics, such as 20GiB; the oldest go first [default: no limit]
    #[arg(long, env = "KLAMM_DISK_BUDGET", value_name = "SIZE")]
    disk_budget: Option<Size>,

    /// Open connections over all listeners; more are turned away [default: 20000]
    #[arg(long, env = "KLAMM_MAX_CONNECTIONS", value_name = "N")]
    max_connections: Option<usize>,

    /// Largest MQTT packet taken [default: 1MiB]
    #[arg(long, env = "KLAMM_MQTT_MAX_PACKET", value_name = "SIZE")]
    mqtt_max_packet: Option<Size>,

    /// Time for clients to leave when the process is told to end, in milliseconds [default: 5000]
    #[arg(long, env = "KLAMM_DRAIN_MS", value_name = "MS")]
    drain_ms: Option<u64>,

    /// Log lines: human, json, or auto (human on a terminal) [default: auto]
    #[arg(long, env = "KLAMM_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// What is logged: error, warn, info, debug, trace, or a filter such as info,klamm_mqtt=debug [default: info]
    #[arg(long, env = "KLAMM_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// Routes: file only.
    #[arg(skip)]
    #[serde(default)]
    routes: Vec<GivenRoute>,
}

/// `[[routes]]` in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct GivenRoute {
    pattern: String,
    topic: String,
    key: Option<String>,
    identity: Option<String>,
    partitions: Option<u32>,
}

/// A listener's address, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Host and port as given.
    On(String),
    /// Not served.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    Auto,
    /// For eyes.
    Human,
    /// For machines.
    Json,
}

/// Settings with every default in place.
#[derive(Debug, Clone)]
pub struct Settings {
    pub store: Store,
    pub kafka_listen: Option<SocketAddr>,
    pub kafka_advertise: Option<(String, u16)>,
    pub mqtt_listen: Option<SocketAddr>,
    pub http_listen: Option<SocketAddr>,
    pub routes: Vec<RouteConfig>,
    pub default_partitions: u32,
    pub auto_create_topics: bool,
    pub max_connections: usize,
    pub mqtt_max_packet_bytes: u32,
    pub drain: Duration,
    pub log_format: LogFormat,
    pub log: String,
}

/// Which log the messenger runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In this process.
    Embedded { data: PathBuf, disk_budget_bytes: Option<u64> },
    /// An Apache Kafka cluster.
    Kafka { bootstrap: String, properties: Vec<(String, String)> },
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        host_and_port(text)?;
        Ok(Self::On(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { data, .. } => write!(f, "embedded log in {}", data.display()),
            Self::Kafka { bootstrap, .. } => write!(f, "Apache Kafka at {bootstrap}"),
        }
    }
}

impl Given {
    /// Reads the TOML file.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// These settings where given, the others elsewhere.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data: self.data.or(below.data),
            kafka: self.kafka.or(below.kafka),
            kafka_property: self.kafka_property.or(below.kafka_property),
            kafka_property_file: self.kafka_property_file.or(below.kafka_property_file),
            kafka_listen: self.kafka_listen.or(below.kafka_listen),
            kafka_advertise: self.kafka_advertise.or(below.kafka_advertise),
            mqtt_listen: self.mqtt_listen.or(below.mqtt_listen),
            http_listen: self.http_listen.or(below.http_listen),
            insecure_public: self.insecure_public.or(below.insecure_public),
            default_topic: self.default_topic.or(below.default_topic),
            default_partitions: self.default_partitions.or(below.default_partitions),
            auto_create_topics: self.auto_create_topics.or(below.auto_create_topics),
            disk_budget: self.disk_budget.or(below.disk_budget),
            max_connections: self.max_connections.or(below.max_connections),
            mqtt_max_packet: self.mqtt_max_packet.or(below.mqtt_max_packet),
            drain_ms: self.drain_ms.or(below.drain_ms),
            log_format: self.log_format.or(below.log_format),
            log: self.log.or(below.log),
            routes: if self.routes.is_empty() { below.routes } else { self.routes },
        }
    }

    /// Fills in defaults and checks everything that can be checked without starting.
    pub fn resolve(self) -> Result<Settings, String> {
        let gateway = self.kafka.is_some();
        let store = self.store()?;
        let partitions = self.default_partitions.unwrap_or(4);
        if partitions == 0 {
            return Err("default-partitions: a topic has at least 1 partition".into());
        }
        let kafka_listen = match &self.kafka_listen {
            Some(Listen::On(_)) if gateway => {
                return Err("kafka-listen: with kafka set, Kafka clients connect to that cluster \
                            directly; leave kafka-listen out"
                    .into());
            }
            None if gateway => None,
            given => address("kafka-listen", given.as_ref(), "127.0.0.1:9092")?,
        };
        let settings = Settings {
            store,
            kafka_listen,
            kafka_advertise: self
                .kafka_advertise
                .as_deref()
                .map(|text| host_and_port(text).map_err(|why| format!("kafka-advertise: {why}")))
                .transpose()?,
            mqtt_listen: address("mqtt-listen", self.mqtt_listen.as_ref(), "127.0.0.1:1883")?,
            http_listen: address("http-listen", self.http_listen.as_ref(), "127.0.0.1:8080")?,
            routes: routes(self.routes, self.default_topic.as_deref(), partitions)?,
            default_partitions: partitions,
            auto_create_topics: self.auto_create_topics.unwrap_or(true),
            max_connections: self.max_connections.unwrap_or(20_000),
            mqtt_max_packet_bytes: packet_bytes(self.mqtt_max_packet)?,
            drain: Duration::from_millis(self.drain_ms.unwrap_or(5000)),
            log_format: self.log_format.unwrap_or(LogFormat::Auto),
            log: self.log.unwrap_or_else(|| "info".into()),
        };
        if !self.insecure_public.unwrap_or(false) {
            settings.refuse_public()?;
        }
        Ok(settings)
    }

    fn store(&self) -> Result<Store, String> {
        let Some(bootstrap) = self.kafka.clone() else {
            if self.kafka_property.is_some() || self.kafka_property_file.is_some() {
                return Err(
                    "kafka-property, kafka-property-file: there is no kafka to apply it to".into(),
                );
            }
            let data = self.data.clone().unwrap_or_else(|| "klamm-data".into());
            return Ok(Store::Embedded { data, disk_budget_bytes: self.disk_budget.map(|s| s.0) });
        };
        for server in bootstrap.split(',') {
            host_and_port(server).map_err(|why| format!("kafka: {why}"))?;
        }
        if self.data.is_some() || self.disk_budget.is_some() {
            return Err("data, disk-budget: with kafka set nothing is kept on this machine; \
                        leave them out"
                .into());
        }
        let given = self.kafka_property.iter().flatten().map(|text| property(text));
        let files = self.kafka_property_file.iter().flatten().map(|text| property_file(text));
        let properties = given.chain(files).collect::<Result<_, String>>()?;
        Ok(Store::Kafka { bootstrap, properties })
    }
}

impl Settings {
    /// What listens where, by protocol.
    pub fn listeners(&self) -> [(&'static str, Option<SocketAddr>); 3] {
        [("kafka", self.kafka_listen), ("mqtt", self.mqtt_listen), ("http", self.http_listen)]
    }

    /// Without authentication only this machine may connect, unless told so explicitly.
    fn refuse_public(&self) -> Result<(), String> {
        for (name, address) in self.listeners() {
            if let Some(address) = address.filter(|a| !a.ip().is_loopback()) {
                return Err(format!(
                    "{name}-listen: {address} can be reached by other machines and nobody has to log in.\n\
                     Listen on 127.0.0.1, or say insecure-public if that is what you want."
                ));
            }
        }
        Ok(())
    }
}

/// `NAME=VALUE`.
fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("kafka-property: '{text}' is not NAME=VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `NAME=FILE`: what is in the file, without the end of its last line.
fn property_file(text: &str) -> Result<(String, String), String> {
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| format!("kafka-property-file: '{text}' is not NAME=FILE"))?;
    let path = path.trim();
    let value = std::fs::read_to_string(path)
        .map_err(|error| format!("kafka-property-file: cannot read {path}: {error}"))?;
    Ok((name.trim().to_owned(), value.trim_end_matches(['\n', '\r']).to_owned()))
}

fn routes(
    given: Vec<GivenRoute>,
    default_topic: Option<&str>,
    partitions: u32,
) -> Result<Vec<RouteConfig>, String> {
    let default_topic = default_topic.unwrap_or("mqtt");
    let mut routes: Vec<RouteConfig> = given
        .into_iter()
        .map(|route| RouteConfig {
            pattern: route.pattern,
            topic: route.topic,
            key: route.key.unwrap_or_else(|| "{topic}".into()),
            identity: route.identity,
            partitions: route.partitions.unwrap_or(partitions),
        })
        .collect();
    if routes.last().is_none_or(|route| route.pattern != "#") {
        routes.push(RouteConfig::default_route(default_topic, partitions));
    }
    klamm_broker::RouteTable::new(&routes).map_err(|error| error.to_string())?;
    Ok(routes)
}

fn packet_bytes(given: Option<Size>) -> Result<u32, String> {
    let bytes = given.map_or(1 << 20, |size| size.0);
    // MQTT-1.5.5: the largest remaining length is 268,435,455.
    if !(1024..=268_435_455).contains(&bytes) {
        return Err(format!("mqtt-max-packet: {bytes} bytes is not within 1 KiB and 256 MiB"));
    }
    Ok(bytes as u32)
}

fn address(
    name: &str,
    given: Option<&Listen>,
    default: &str,
) -> Result<Option<SocketAddr>, String> {
    let text = match given {
        Some(Listen::Off) => return Ok(None),
        Some(Listen::On(text)) => text,
        None => default,
    };
    let (host, port) = host_and_port(text).map_err(|why| format!("{name}: {why}"))?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Some(SocketAddr::new(ip, port)));
    }
    let found = (host.as_str(), port)
        .to_socket_addrs()
        .map_err(|error| format!("{name}: cannot look up '{host}': {error}"))?
        .next();
    found.map(Some).ok_or_else(|| format!("{name}: '{host}' has no address"))
}

/// `host:port`, the host of IPv6 in brackets.
fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("'{text}' is not HOST:PORT");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(wrong());
    }
    Ok((host.to_owned(), port.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests;
