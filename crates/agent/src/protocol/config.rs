//! What the agent is started with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `agent.json`, which the operator writes into an annotation of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's name, for messages.
    pub cluster: String,
    /// `process.roles`.
    pub roles: Vec<Role>,
    /// `log.dirs`. Each is a directory in a volume, not the volume's root.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`; one of `log_dirs`, or one more.
    pub metadata_dir: PathBuf,
    /// The subject of the only client that may call, as Kafka writes it (RFC 2253): `CN=klamm-operator,O=my-cluster`.
    pub operator: String,
    /// Listeners with a certificate of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// How long a node that ran before waits for a word of the operator before it starts by itself, in milliseconds.
    #[serde(default = "grace_ms")]
    pub grace_ms: u64,
    /// Port of the listener `INTERNAL` on this machine, by which a broker is asked whether it is ready.
    #[serde(default = "internal_port")]
    pub internal_port: u16,
    /// Port of the listener `CONTROLLER` on this machine, by which a controller is asked whether it is ready.
    #[serde(default = "controller_port")]
    pub controller_port: u16,
    /// Formats disks; takes the arguments of Kafka's `kafka-storage.sh`.
    #[serde(default = "storage")]
    pub storage: PathBuf,
    /// Starts Kafka; takes the path of `server.properties`.
    #[serde(default = "server")]
    pub server: PathBuf,
}

/// A listener whose key and certificates are joined into one file for Kafka, before it starts and whenever they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// For messages.
    pub name: String,
    /// The certificate and those that vouch for it, PEM.
    pub certificate: PathBuf,
    /// The key, PKCS #8 as PEM.
    pub key: PathBuf,
    /// The file to write: its `ssl.keystore.location`.
    pub keystore: PathBuf,
}

/// One of `process.roles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Keeps partitions and serves clients.
    Broker,
    /// Votes in the metadata quorum.
    Controller,
}

/// Long enough for an operator that runs to answer a pod that has just come up, short against Kafka's own start.
fn grace_ms() -> u64 {
    3_000
}

fn internal_port() -> u16 {
    9091
}

fn controller_port() -> u16 {
    9090
}

fn storage() -> PathBuf {
    "/opt/kafka/bin/kafka-storage.sh".into()
}

fn server() -> PathBuf {
    "/opt/kafka/bin/kafka-server-start.sh".into()
}

impl Config {
    /// Whether the node has a role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_official_image_and_the_operator_agree_on_need_not_be_said() {
        let text = r#"{"node_id":3,"cluster":"c","roles":["broker","controller"],"log_dirs":["/d/log"],
            "metadata_dir":"/d/log","operator":"CN=klamm-operator,O=c"}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert!(config.is(Role::Broker) && config.is(Role::Controller));
        assert_eq!(
            (config.internal_port, config.controller_port, config.grace_ms),
            (9091, 9090, 3_000)
        );
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            concat!(
                r#"{"node_id":3,"cluster":"c","roles":["broker","controller"],"log_dirs":["/d/log"],"#,
                r#""metadata_dir":"/d/log","operator":"CN=klamm-operator,O=c","grace_ms":3000,"#,
                r#""internal_port":9091,"controller_port":9090,"storage":"/opt/kafka/bin/kafka-storage.sh","#,
                r#""server":"/opt/kafka/bin/kafka-server-start.sh"}"#
            )
        );
    }
}
