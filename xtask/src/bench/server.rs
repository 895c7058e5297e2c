//! Servers under test, each alone on its core.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use klamm_testkit::{Peers, Process, Skip, free_port, holds_within};

use super::{Bench, machine};

/// A running server; killed when dropped.
pub struct Server {
    process: Process,
    pub port: u16,
    /// When its process began.
    pub began: Instant,
}

/// Time for a server to answer: a JVM on one core takes most of it.
const START: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a program and waits until its port answers.
    pub fn start(name: &str, command: Command, port: u16) -> Result<Self, String> {
        let server = Self::spawn(name, command, port);
        let listens = || TcpStream::connect(("127.0.0.1", port)).ok();
        let answered = holds_within(START, || match listens() {
            Some(_) => Some(true),
            None => (!server.process.is_running()).then_some(false),
        });
        if answered == Some(true) {
            return Ok(server);
        }
        Err(format!("{name} does not listen\n{}", server.process.everything()))
    }

    /// Starts a program.
    pub fn spawn(name: &str, command: Command, port: u16) -> Self {
        let began = machine::now();
        Self { process: Process::start(name, command), port, began }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Moves the running server to other cores.
    pub fn move_to(&self, cores: &str) -> Result<(), String> {
        let mut command = Command::new("taskset");
        command.args(["-a", "-c", "-p", cores, &self.process.pid().to_string()]);
        let moved = klamm_testkit::run("taskset", command);
        moved.status.success().then_some(()).ok_or(moved.stderr)
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.process.pid());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()).and_then(|n| n.parse().ok());
        kib.ok_or_else(|| format!("{path}: no VmRSS"))
    }
}

/// A program alone on the server's core.
pub fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", machine::SERVER_CORE]).arg(program);
    command
}

/// `klamm` with a port for each protocol.
pub struct Klamm {
    pub server: Server,
    pub kafka: String,
    pub mqtt: String,
}

impl Klamm {
    pub fn start(bench: &Bench, data: &str, more: &[&str]) -> Result<Self, String> {
        let data = bench.scratch.path().join(data);
        let kafka = free_port();
        let listen = format!("127.0.0.1:{kafka}");
        let args = ["--data", &*data.to_string_lossy(), "--kafka-listen", &listen];
        Self::with(bench, kafka, &[&args, more].concat())
    }

    /// In front of an Apache Kafka.
    pub fn gateway(bench: &Bench, kafka: u16) -> Result<Self, String> {
        Self::with(bench, kafka, &["--kafka", &format!("127.0.0.1:{kafka}")])
    }

    fn with(bench: &Bench, kafka: u16, args: &[&str]) -> Result<Self, String> {
        let mqtt = free_port();
        let [kafka_address, mqtt_address] = [kafka, mqtt].map(|port| format!("127.0.0.1:{port}"));
        let mut command = pinned(&bench.klamm);
        command.args(args).args(["--mqtt-listen", &mqtt_address, "--http-listen", "off"]);
        command.args(["--log", "error"]);
        let server = Server::start("klamm", command, mqtt)?;
        Ok(Self { server, kafka: kafka_address, mqtt: mqtt_address })
    }
}

/// Debian's mosquitto, without the limits that would make it drop messages.
pub fn mosquitto(bench: &Bench) -> Result<Server, String> {
    let port = free_port();
    let config = bench.scratch.path().join(format!("mosquitto-{port}.conf"));
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n"
    );
    std::fs::write(&config, text).map_err(|error| error.to_string())?;
    let mosquitto = Peers::find().program("mosquitto").map_err(|skip| skip.to_string())?;
    let mut command = pinned(Path::new(mosquitto.get_program()));
    command.arg("-c").arg(config);
    Server::start("mosquitto", command, port)
}

/// Apache Kafka in one process with its own defaults, but for what one node needs.
pub fn apache_kafka(bench: &Bench, name: &str) -> Result<Server, String> {
    let (port, controller) = (free_port(), free_port());
    let folder = bench.scratch.path().join(name);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let properties = folder.join("server.properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         log.dirs={}\noffsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n",
        folder.join("data").display()
    );
    std::fs::write(&properties, text).map_err(|error| error.to_string())?;
    let java = |class: &str| -> Result<Command, Skip> {
        let peers = Peers::find();
        let java = peers.program("java")?;
        let mut command = pinned(Path::new(java.get_program()));
        command.arg("-Xmx1g").arg("-cp").arg(peers.kafka_libs().join("*")).arg(class);
        command.current_dir(&folder);
        Ok(command)
    };
    let mut format = java("kafka.tools.StorageTool").map_err(|skip| skip.to_string())?;
    format.args(["format", "--standalone", "-t", CLUSTER_ID, "-c"]).arg(&properties);
    klamm_testkit::run("StorageTool", format).expect_success();
    let mut command = java("kafka.Kafka").map_err(|skip| skip.to_string())?;
    command.arg(&properties);
    Server::start("Apache Kafka", command, port)
}

/// Any UUID in base64url.
const CLUSTER_ID: &str = "a2xhbW0gYmVuY2ggY2x1cw";

/// Waits until a Kafka server answers ApiVersions, the first thing that any client asks.
pub fn first_reply(port: u16) -> Result<(), String> {
    const REQUEST: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff";
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(START)).ok()?;
        stream.write_all(REQUEST).ok()?;
        stream.read_exact(&mut [0; 10]).ok()
    };
    loop_until(ask).ok_or_else(|| format!("no answer on port {port}"))
}

/// Looks without a pause, for what is timed.
fn loop_until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = machine::now() + START;
    while machine::now() < end {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    None
}
