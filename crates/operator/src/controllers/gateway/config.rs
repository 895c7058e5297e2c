//! klamm's settings file: what the gateway's owner gives, checked, and what the operator adds.

use serde::Deserialize;
use toml::{Table, Value};

/// Settings that the operator gives itself.
const OWNED: &[&str] = &[
    "data",
    "kafka",
    "kafka-listen",
    "kafka-advertise",
    "kafka-property-file",
    "mqtt-listen",
    "http-listen",
    "insecure-public",
    "auto-create-topics",
    "disk-budget",
];
/// Client properties that follow from the cluster's listener, by what they begin with.
const OWNED_PROPERTIES: &[&str] =
    &["bootstrap.servers", "metadata.broker.list", "security.protocol", "ssl.", "sasl.", "plugin."];

/// What may be given: klamm's settings, so far as they make sense in front of a cluster.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Given {
    kafka_property: Option<Vec<String>>,
    #[serde(rename = "default-topic")]
    _default_topic: Option<String>,
    default_partitions: Option<u32>,
    #[serde(rename = "max-connections")]
    _max_connections: Option<u32>,
    #[serde(rename = "mqtt-max-packet")]
    _mqtt_max_packet: Option<Size>,
    drain_ms: Option<u32>,
    #[serde(rename = "log-format")]
    _log_format: Option<LogFormat>,
    #[serde(rename = "log")]
    _log: Option<String>,
    #[serde(default, rename = "routes")]
    _routes: Vec<Route>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected bytes, such as 1048576 or \"1MiB\"")]
enum Size {
    Bytes(#[expect(dead_code, reason = "read to be checked")] u64),
    Text(#[expect(dead_code, reason = "read to be checked")] String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    Auto,
    Human,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Route {
    #[serde(rename = "pattern")]
    _pattern: String,
    #[serde(rename = "topic")]
    _topic: String,
    #[serde(rename = "key")]
    _key: Option<String>,
    #[serde(rename = "identity")]
    _identity: Option<String>,
    #[serde(rename = "partitions")]
    _partitions: Option<u32>,
}

/// Settings that were checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Config {
    table: Table,
    properties: Vec<String>,
    /// Time for clients to leave.
    pub(super) drain_ms: u32,
}

/// klamm's own default.
const DRAIN_MS: u32 = 5_000;
/// Ten minutes: no rolling update should wait longer for a pod, and no machine does when it is drained.
const DRAIN_MS_MAX: u32 = 600_000;

impl Config {
    /// Reads what the gateway's owner gives.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(|error| format!("no TOML: {error}"))?;
        if let Some(name) = table.keys().find(|name| OWNED.contains(&name.as_str())) {
            return Err(format!("{name}: the operator sets this itself; leave it out"));
        }
        let given: Given = toml::from_str(text).map_err(|error| error.to_string())?;
        let properties = given.kafka_property.unwrap_or_default();
        for property in &properties {
            let name = property.split_once('=').map(|(name, _)| name.trim());
            let name =
                name.ok_or_else(|| format!("kafka-property: '{property}' is not NAME=VALUE"))?;
            if OWNED_PROPERTIES.iter().any(|owned| name.starts_with(owned)) {
                return Err(format!(
                    "kafka-property {name}: follows from listener and user; leave it out"
                ));
            }
        }
        if given.default_partitions == Some(0) {
            return Err("default-partitions: a topic has at least 1 partition".to_owned());
        }
        let drain_ms = given.drain_ms.unwrap_or(DRAIN_MS);
        if drain_ms > DRAIN_MS_MAX {
            return Err(format!("drain-ms: {drain_ms} is more than {DRAIN_MS_MAX}"));
        }
        table.remove("kafka-property");
        Ok(Self { table, properties, drain_ms })
    }

    /// The whole file, with what the operator adds.
    pub(super) fn file(&self, bootstrap: &str, properties: &[String], files: &[String]) -> String {
        let list = |texts: &mut dyn Iterator<Item = &String>| {
            Value::Array(texts.map(|text| Value::String(text.clone())).collect())
        };
        let mut table = Table::new();
        table.insert("kafka".into(), bootstrap.into());
        table.insert("mqtt-listen".into(), "0.0.0.0:1883".into());
        table.insert("http-listen".into(), "0.0.0.0:8080".into());
        // Pods are reached from other machines, and klamm has no authentication yet: the documentation says so.
        table.insert("insecure-public".into(), true.into());
        let all = &mut properties.iter().chain(&self.properties);
        table.insert("kafka-property".into(), list(all));
        if !files.is_empty() {
            table.insert("kafka-property-file".into(), list(&mut files.iter()));
        }
        table.extend(self.table.clone());
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(text).expect_err(text)
    }

    #[test]
    fn file_has_what_was_given_and_what_is_added() {
        let text = "drain-ms = 9000\nkafka-property = ['linger.ms=5']\n\
                    [[routes]]\npattern = 'a/{b}'\ntopic = 'a'\npartitions = 3\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.drain_ms, 9_000);
        let file = config.file("k:9092", &["a=b".into()], &["sasl.password=/p".into()]);
        let table: Table = file.parse().unwrap();
        assert_eq!(table["kafka"].as_str(), Some("k:9092"));
        assert_eq!(table["kafka-property"].as_array().unwrap().len(), 2);
        assert_eq!(table["kafka-property-file"][0].as_str(), Some("sasl.password=/p"));
        assert_eq!(table["routes"][0]["partitions"].as_integer(), Some(3));
    }

    #[test]
    fn what_the_operator_sets_is_refused() {
        for name in OWNED {
            let why = refused(&format!("{name} = 'x'"));
            assert!(why.starts_with(&format!("{name}: the operator sets")), "{why}");
        }
        assert!(refused("kafka-property = ['sasl.username=x']").contains("listener and user"));
        assert!(
            refused("kafka-property = [' ssl.ca.location = /x']").contains("listener and user")
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(refused("log = ").contains("no TOML"));
        assert!(refused("lgo = 'info'").contains("lgo"));
        assert!(refused("max-connections = 'many'").contains("max-connections"));
        assert!(refused("[[routes]]\npattern = 'x'").contains("topic"));
        assert!(refused("[[routes]]\npattern = 'x'\ntopic = 'y'\nkye = 'z'").contains("kye"));
        assert!(refused("kafka-property = ['linger.ms']").contains("NAME=VALUE"));
        assert!(refused("mqtt-max-packet = true").contains("1MiB"));
        assert!(refused("drain-ms = 3600000").contains("drain-ms"));
    }

    /// klamm's settings change; a new one must be taken here or be the operator's.
    #[test]
    fn every_setting_of_klamm_is_taken_or_owned() {
        let source = include_str!("../../../../klamm/src/settings.rs");
        let fields =
            source.split_once("pub struct Given {").unwrap().1.split_once("\n}").unwrap().0;
        let names = fields.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("    ")?.split_once(": ")?;
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| name.replace('_', "-"))
        });
        let names: Vec<String> = names.collect();
        assert!(names.len() > 15 && names.contains(&"drain-ms".to_owned()), "{names:?}");
        for name in names.iter().filter(|name| !OWNED.contains(&name.as_str())) {
            let why = refused(&format!("{name} = {{ nobody = 'takes this' }}"));
            let unknown = format!("unknown field `{name}`");
            assert!(!why.contains(&unknown), "neither taken nor owned: {why}");
        }
    }
}
