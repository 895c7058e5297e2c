//! The cluster of the tests, and clients for it.

use std::path::Path;

use klamm_kafka::KafkaError;
use klamm_kafka::admin::{Admin, Endpoint};
use klamm_kafka::client::ClientOptions;
use klamm_kafka::security::Security;
use klamm_testkit::{KafkaNode, NodeOptions, PATIENCE, Peers, Skip};
use tempfile::TempDir;

use crate::certificates::Certificates;

/// Two brokers: the first is the controller too, the second has every kind of listener.
#[derive(Debug)]
pub(crate) struct KafkaCluster {
    pub peers: Peers,
    pub certificates: Certificates,
    pub controller: NodeOptions,
    nodes: Vec<KafkaNode>,
    _directory: TempDir,
}

/// Ids of the brokers.
pub(crate) const BROKERS: [i32; 2] = [11, 12];

impl KafkaCluster {
    pub(crate) fn start(peers: &Peers) -> Result<Self, Skip> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificates = Certificates::make();
        let first = authorized(NodeOptions::combined(BROKERS[0]));
        let second = authorized(NodeOptions::broker(BROKERS[1])).with_controllers(&[&first]);
        let second = protected(second, &certificates, directory.path());
        let nodes = KafkaNode::start_all(peers, &[first.clone(), second])?;
        let peers = peers.clone();
        let cluster = Self { peers, certificates, controller: first, nodes, _directory: directory };
        block_on(cluster.is_in_service());
        Ok(cluster)
    }

    /// A broker answers before it may lead.
    async fn is_in_service(&self) {
        let mut admin = self.admin();
        let asked = async || admin.describe_cluster().await;
        until("both brokers in service", asked, |cluster| {
            cluster.nodes.len() == BROKERS.len() && cluster.nodes.iter().all(|node| !node.is_fenced)
        })
        .await;
    }

    /// Host and port of a listener of the second broker.
    pub(crate) fn address(&self, listener: &str) -> String {
        self.nodes[1].address(listener)
    }

    /// An administrator by way of brokers, whom every rule allows everything.
    pub(crate) fn admin(&self) -> Admin {
        admin(&self.address("PLAINTEXT"), Endpoint::Brokers, Security::default())
    }
}

/// Everybody on a listener without names may do everything; others what rules allow.
pub(crate) fn authorized(node: NodeOptions) -> NodeOptions {
    let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    node.with("authorizer.class.name", authorizer).with("super.users", "User:ANONYMOUS")
}

fn protected(node: NodeOptions, certificates: &Certificates, folder: &Path) -> NodeOptions {
    let write = |name: &str, pem: &str| {
        let path = folder.join(name);
        std::fs::write(&path, pem).expect("a certificate on disk");
        path.display().to_string()
    };
    let trusted = write("trusted.pem", &certificates.authority);
    let mut node = node
        .listening("MUTUAL", "SSL")
        .listening("SCRAM", "SASL_SSL")
        .listening("ELSEWHERE", "SSL")
        .listening("OLD", "SSL")
        .with("ssl.keystore.type", "PEM")
        .with("ssl.truststore.type", "PEM")
        .with("ssl.truststore.location", &trusted)
        .with("listener.name.mutual.ssl.client.auth", "required")
        .with("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512");
    for mechanism in ["256", "512"] {
        let name = format!("listener.name.scram.scram-sha-{mechanism}.sasl.jaas.config");
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        node = node.with(&name, module);
    }
    let stores = [
        ("mutual", &certificates.server),
        ("scram", &certificates.server),
        ("elsewhere", &certificates.elsewhere),
        ("old", &certificates.old),
    ];
    for (listener, keystore) in stores {
        let path = write(&format!("{listener}.pem"), keystore);
        node = node.with(&format!("listener.name.{listener}.ssl.keystore.location"), &path);
    }
    node
}

/// An administrator of the cluster with these servers.
pub(crate) fn admin(servers: &str, endpoint: Endpoint, security: Security) -> Admin {
    Admin::new(servers, endpoint, ClientOptions::new("klamm-test").with_security(security))
}

/// Runs a test's calls.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test)
}

/// Asks again until an answer is as it should be.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, KafkaError>,
    is_right: impl Fn(&T) -> bool,
) -> T {
    let mut last = None;
    let asking = async {
        loop {
            match ask().await {
                Ok(answer) if is_right(&answer) => return answer,
                other => last = Some(other),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, asking).await;
    outcome.unwrap_or_else(|_| panic!("never: {what}; last: {last:?}"))
}
