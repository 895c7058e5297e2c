//! What the agent says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The node as its agent sees it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`super::PROTOCOL`] of the agent.
    pub protocol: u32,
    /// `node.id`.
    pub node_id: i32,
    /// What goes on.
    pub phase: Phase,
    /// Since when; a change of a number in the phase begins no other one.
    pub phase_since_ms: u64,
    /// The metadata log directory's.
    pub disk: Disk,
    /// Which certificate Kafka has and which is there.
    pub certificate: Certificate,
    /// The same of the listeners' own certificates, of which this fingerprint is: first 16 hexadecimal digits of SHA-256 over the
    /// joined files. Empty if there are none.
    #[serde(default, skip_serializing_if = "Certificate::is_empty")]
    pub listeners: Certificate,
    /// One for each log directory, the metadata log directory among them.
    pub volumes: Vec<Volume>,
    /// `broker.rack` that Kafka runs with.
    pub rack: Option<String>,
    /// Kafka's process, while there is one.
    pub kafka: Option<Kafka>,
    /// The last line by which Kafka, its tools or the agent told of an error since the agent started.
    pub said: Option<String>,
}

/// What goes on in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// For a permit.
    Waiting {
        /// In words.
        reason: String,
    },
    /// Kafka's tool formats the disk.
    Formatting,
    /// Kafka's process runs and was not ready since it started.
    Starting,
    /// It reads its logs after a hard stop, which may take hours and starts again from the beginning if it is killed.
    Recovering {
        /// How many have not been read.
        logs_left: u64,
    },
    /// A broker is registered and not fenced; a controller knows the active one.
    Ready,
    /// Was ready since it started, and is not now.
    Unresponsive,
    /// Kafka does not run and will not without help.
    Failed {
        /// In words.
        why: String,
    },
    /// Kafka was told to end and has not yet.
    Stopping,
}

/// The content of a log directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disk {
    /// Not read, not readable, or with something in it that is not Kafka's.
    #[default]
    Unknown,
    /// Nothing.
    Empty,
    /// Formatted.
    Formatted(Formatted),
}

/// `meta.properties`. Ids in Kafka's text of 22 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formatted {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id`.
    pub directory_id: String,
}

/// Fingerprints: the first 16 hexadecimal digits of SHA-256 over `keystore.pem`, `truststore.pem` and, if it is there,
/// `clients-truststore.pem`, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Of what Kafka started with, or was told to load since.
    pub started: Option<String>,
    /// Of the files there now.
    pub mounted: Option<String>,
}

impl Certificate {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A log directory and the file system it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The log directory.
    pub path: PathBuf,
    /// Its content.
    pub disk: Disk,
    /// The file system's size.
    pub total_bytes: u64,
    /// What Kafka may still use of it.
    pub free_bytes: u64,
}

/// Kafka's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kafka {
    /// In the pod's process namespace.
    pub pid: u32,
    /// When it was started.
    pub started_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(phase: &Phase, text: &str) {
        assert_eq!(serde_json::to_string(phase).unwrap(), text);
        assert_eq!(&serde_json::from_str::<Phase>(text).unwrap(), phase);
    }

    #[test]
    fn phases_are_written_as_agreed() {
        check(&Phase::Waiting { reason: "why".into() }, r#"{"waiting":{"reason":"why"}}"#);
        check(&Phase::Formatting, r#""formatting""#);
        check(&Phase::Starting, r#""starting""#);
        check(&Phase::Recovering { logs_left: 7 }, r#"{"recovering":{"logs_left":7}}"#);
        check(&Phase::Ready, r#""ready""#);
        check(&Phase::Unresponsive, r#""unresponsive""#);
        check(&Phase::Failed { why: "no".into() }, r#"{"failed":{"why":"no"}}"#);
        check(&Phase::Stopping, r#""stopping""#);
    }

    #[test]
    fn state_is_written_as_agreed() {
        let disk = Disk::Formatted(Formatted {
            cluster_id: "q1Sh-9_ISia_zwGINzRvyQ".into(),
            node_id: 3,
            directory_id: "JEXY6aqzQY-32P5TStzaFg".into(),
        });
        let volume = |path: &str, disk: Disk| Volume {
            path: path.into(),
            disk,
            total_bytes: 10,
            free_bytes: 4,
        };
        let state = State {
            protocol: super::super::PROTOCOL,
            node_id: 3,
            phase: Phase::Ready,
            phase_since_ms: 2,
            disk: disk.clone(),
            certificate: Certificate { started: Some("00ff".into()), mounted: None },
            listeners: Certificate::default(),
            volumes: vec![volume("/a/log", disk), volume("/b/log", Disk::Empty)],
            rack: None,
            kafka: Some(Kafka { pid: 9, started_ms: 1 }),
            said: None,
        };
        const FORMATTED: &str = concat!(
            r#"{"formatted":{"cluster_id":"q1Sh-9_ISia_zwGINzRvyQ","node_id":3,"#,
            r#""directory_id":"JEXY6aqzQY-32P5TStzaFg"}}"#
        );
        let text = format!(
            concat!(
                r#"{{"protocol":1,"node_id":3,"phase":"ready","phase_since_ms":2,"disk":{},"#,
                r#""certificate":{{"started":"00ff","mounted":null}},"#,
                r#""volumes":[{{"path":"/a/log","disk":{},"total_bytes":10,"free_bytes":4}},"#,
                r#"{{"path":"/b/log","disk":"empty","total_bytes":10,"free_bytes":4}}],"#,
                r#""rack":null,"kafka":{{"pid":9,"started_ms":1}},"said":null}}"#
            ),
            FORMATTED, FORMATTED
        );
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
