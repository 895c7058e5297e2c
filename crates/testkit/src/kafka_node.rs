//! A node of Apache Kafka among several: a broker, a controller, or both, with whatever listeners a test needs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::apache_kafka::{CLUSTER_ID, answers};
use crate::patience::{PATIENCE, eventually, holds_within};
use crate::{Peers, Process, Skip, free_port, run};

/// What a node is to be. Its ports are taken when this is made, so that other nodes can be told.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    id: i32,
    roles: Vec<&'static str>,
    listeners: BTreeMap<String, (String, u16)>,
    controllers: Vec<String>,
    is_standalone: bool,
    properties: String,
}

/// Small internal topics and quick heartbeats. Sessions and elections have their own times: on a busy machine shorter ones end by themselves.
const SETTINGS: &str = "\
controller.listener.names=CONTROLLER
num.partitions=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
";

/// For a start: several nodes come up at once, next to other tests.
const START_TIME: Duration = PATIENCE.saturating_mul(4);

/// The controllers' listener.
const CONTROLLER: &str = "CONTROLLER";
/// The brokers' listener without protection.
const PLAINTEXT: &str = "PLAINTEXT";

impl NodeOptions {
    /// A controller. The first one of a quorum is `standalone`, others join it.
    pub fn controller(id: i32, is_standalone: bool) -> Self {
        Self::new(id, "controller", is_standalone).listening(CONTROLLER, "PLAINTEXT")
    }

    /// A broker with a listener `PLAINTEXT`.
    pub fn broker(id: i32) -> Self {
        Self::new(id, "broker", false).listening(PLAINTEXT, "PLAINTEXT")
    }

    /// A controller that begins a quorum and a broker in one.
    pub fn combined(id: i32) -> Self {
        let mut node = Self::controller(id, true).listening(PLAINTEXT, "PLAINTEXT");
        node.roles.push("broker");
        node
    }

    fn new(id: i32, role: &'static str, is_standalone: bool) -> Self {
        Self {
            id,
            roles: vec![role],
            listeners: BTreeMap::new(),
            controllers: Vec::new(),
            is_standalone,
            properties: String::new(),
        }
    }

    /// One more listener with that security protocol.
    #[must_use]
    pub fn listening(mut self, name: &str, protocol: &str) -> Self {
        self.listeners.insert(name.to_owned(), (protocol.to_owned(), free_port()));
        self
    }

    /// Where the node finds controllers.
    #[must_use]
    pub fn with_controllers(mut self, controllers: &[&Self]) -> Self {
        self.controllers = controllers.iter().map(|node| node.address(CONTROLLER)).collect();
        self
    }

    /// Another property.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let _ = writeln!(self.properties, "{name}={value}");
        self
    }

    /// Host and port of a listener.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn address(&self, listener: &str) -> String {
        let (_, port) = self.listeners.get(listener).expect("a listener of that name");
        format!("127.0.0.1:{port}")
    }

    /// The node's id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// What StorageTool leaves for a node that begins no quorum, without a Java of its own.
    fn format(&self, data: &Path) {
        let properties = format!(
            "version=1\ncluster.id={CLUSTER_ID}\nnode.id={}\ndirectory.id=klamm-test-node-{:05}A\n",
            self.id, self.id
        );
        std::fs::create_dir_all(data)
            .and_then(|()| std::fs::write(data.join("meta.properties"), properties))
            .expect("a formatted directory");
    }

    fn server_properties(&self, data: &Path) -> String {
        let listeners: Vec<String> =
            self.listeners.keys().map(|name| format!("{name}://{}", self.address(name))).collect();
        let mut protocols: Vec<String> = self
            .listeners
            .iter()
            .map(|(name, (protocol, _))| format!("{name}:{protocol}"))
            .collect();
        if !self.listeners.contains_key(CONTROLLER) {
            protocols.push(format!("{CONTROLLER}:PLAINTEXT"));
        }
        let own;
        let controllers = match self.listeners.contains_key(CONTROLLER) {
            true if self.controllers.is_empty() => {
                own = [self.address(CONTROLLER)];
                &own[..]
            }
            _ => &self.controllers,
        };
        let broker = match self.listeners.contains_key(PLAINTEXT) {
            true => format!("inter.broker.listener.name={PLAINTEXT}\n"),
            false => String::new(),
        };
        format!(
            "{SETTINGS}{broker}node.id={}\nprocess.roles={}\nlog.dirs={}\nlisteners={}\nadvertised.listeners={}\n\
             listener.security.protocol.map={}\ncontroller.quorum.bootstrap.servers={}\n{}",
            self.id,
            self.roles.join(","),
            data.display(),
            listeners.join(","),
            listeners.join(","),
            protocols.join(","),
            controllers.join(","),
            self.properties,
        )
    }
}

/// A node that was formatted, and runs unless it was stopped.
#[derive(Debug)]
pub struct KafkaNode {
    options: NodeOptions,
    peers: Peers,
    directory: TempDir,
    process: Option<Process>,
}

impl KafkaNode {
    /// Formats and starts nodes, all at once, and waits until each answers.
    ///
    /// # Errors
    /// When Apache Kafka is not installed.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn start_all(peers: &Peers, options: &[NodeOptions]) -> Result<Vec<Self>, Skip> {
        std::thread::scope(|scope| {
            let starting: Vec<_> =
                options.iter().map(|node| scope.spawn(|| Self::start(peers, node))).collect();
            let joined = starting.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|node| node.expect("a node that comes up")).collect()
        })
    }

    /// Formats and starts one.
    ///
    /// # Errors
    /// When Apache Kafka is not installed.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(peers: &Peers, options: &NodeOptions) -> Result<Self, Skip> {
        let mut format = peers.java("256m", "kafka.tools.StorageTool")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (file, data) =
            (directory.path().join("server.properties"), directory.path().join("data"));
        std::fs::write(&file, options.server_properties(&data)).expect("settings of the node");
        if options.is_standalone {
            format.args(["format", "--standalone", "-t", CLUSTER_ID, "-c"]).arg(&file);
            run("StorageTool", format).expect_success();
        } else {
            options.format(&data);
        }
        let (options, peers) = (options.clone(), peers.clone());
        let mut node = Self { options, peers, directory, process: None };
        node.start_again();
        Ok(node)
    }

    /// Host and port of a listener.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn address(&self, listener: &str) -> String {
        self.options.address(listener)
    }

    /// The node's id.
    pub fn id(&self) -> i32 {
        self.options.id
    }

    /// `directory.id` of its metadata directory, 22 characters.
    ///
    /// # Panics
    /// When the directory is not formatted.
    pub fn directory_id(&self) -> String {
        let file = self.directory.path().join("data/meta.properties");
        let properties = std::fs::read_to_string(file).expect("a formatted directory");
        let mut ids = properties.lines().filter_map(|line| line.strip_prefix("directory.id="));
        ids.next().expect("a directory id").replace('\\', "")
    }

    /// Ends it: orderly, or as by `kill -9`.
    pub fn stop(&mut self, orderly: bool) {
        let Some(process) = self.process.take() else { return };
        if orderly {
            process.terminate();
            eventually("an end of Apache Kafka", || (!process.is_running()).then_some(()));
        }
    }

    /// Starts it on what it left, and waits until it answers.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&mut self) {
        let mut command = self.peers.java("384m", "kafka.Kafka").expect("was there before");
        command.arg(self.directory.path().join("server.properties"));
        command.current_dir(self.directory.path());
        let process = Process::start("Apache Kafka", command);
        let plain = [CONTROLLER, PLAINTEXT];
        let listener = plain.into_iter().find(|name| self.options.listeners.contains_key(*name));
        let address = self.options.address(listener.expect("a node has one of both"));
        let answered = holds_within(START_TIME, || {
            assert!(process.is_running(), "Apache Kafka ended\n{}", process.everything());
            answers(&address).then_some(())
        });
        assert!(answered.is_some(), "Apache Kafka does not answer\n{}", process.everything());
        self.process = Some(process);
    }
}
