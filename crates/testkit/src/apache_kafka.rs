//! A broker of Apache Kafka: one node, controller and broker in one (KRaft).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::patience::eventually;
use crate::{Peers, Process, Skip, free_port, run};

/// A broker that runs, or one that somebody else runs.
#[derive(Debug)]
pub struct ApacheKafka {
    address: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    peers: Peers,
    directory: TempDir,
    process: Option<Process>,
}

/// Settings for one node that answers at once: nothing replicated, no wait before a group forms, and back soon after a kill.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
num.partitions=4
auto.create.topics.enable=true
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
";

/// Any 22 characters of base64url that are a UUID.
pub(crate) const CLUSTER_ID: &str = "a2xhbW0gdGVzdCBjbHVzdA";

impl ApacheKafka {
    /// The broker that `KLAMM_TEST_KAFKA` names, or one that is started here and ends with the value.
    ///
    /// # Errors
    /// When Apache Kafka is not installed.
    pub fn given_or_started(peers: &Peers) -> Result<Self, Skip> {
        match std::env::var("KLAMM_TEST_KAFKA") {
            Ok(address) if !address.is_empty() => Ok(Self { address, own: None }),
            _ => Self::start(peers),
        }
    }

    /// Formats a log directory and starts a broker on it.
    ///
    /// # Errors
    /// When Apache Kafka is not installed.
    ///
    /// # Panics
    /// When the broker does not come up.
    pub fn start(peers: &Peers) -> Result<Self, Skip> {
        let mut format = peers.java("256m", "kafka.tools.StorageTool")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, controller) = (free_port(), free_port());
        let settings = format!(
            "{SETTINGS}log.dirs={}\nlisteners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n",
            directory.path().join("data").display()
        );
        let file = directory.path().join("server.properties");
        std::fs::write(&file, settings).expect("settings of the broker");
        format.args(["format", "--standalone", "-t", CLUSTER_ID, "-c"]).arg(&file);
        run("StorageTool", format).expect_success();
        let own = Own { peers: peers.clone(), directory, process: None };
        let mut kafka = Self { address: format!("127.0.0.1:{port}"), own: Some(own) };
        kafka.start_again();
        Ok(kafka)
    }

    /// Host and port for clients.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the broker was started here and may be restarted.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Ends the broker: orderly, or as by `kill -9`.
    pub fn stop(&mut self, orderly: bool) {
        let own = self.own.as_mut().expect("only a broker started here is stopped");
        let Some(process) = own.process.take() else { return };
        if orderly {
            process.terminate();
            eventually("an end of Apache Kafka", || (!process.is_running()).then_some(()));
        }
    }

    /// Starts the broker on what it left, and waits until it answers.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        let own = self.own.as_mut().expect("only a broker started here is started");
        let mut command = own.peers.java("512m", "kafka.Kafka").expect("was there before");
        command.arg(own.settings()).current_dir(own.directory.path());
        let process = Process::start("Apache Kafka", command);
        eventually("an answer of Apache Kafka", || {
            assert!(process.is_running(), "Apache Kafka ended\n{}", process.everything());
            answers(&self.address).then_some(())
        });
        own.process = Some(process);
    }
}

impl Own {
    fn settings(&self) -> PathBuf {
        self.directory.path().join("server.properties")
    }
}

/// A broker on its way up takes connections before it answers them: then it is asked anew.
const ANSWER_TIME: Duration = Duration::from_millis(300);

/// Whether a broker at the address answers ApiVersions (version 0).
pub(crate) fn answers(address: &str) -> bool {
    const REQUEST: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff";
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = [0; 8];
    stream
        .set_read_timeout(Some(ANSWER_TIME))
        .and_then(|()| stream.write_all(REQUEST))
        .and_then(|()| stream.read_exact(&mut answer))
        .is_ok()
}
