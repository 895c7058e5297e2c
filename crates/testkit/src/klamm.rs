//! The messenger as a process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use crate::patience::{PATIENCE, eventually};
use crate::{Process, free_port};

/// `klamm` with ports of its own, on the embedded log or in front of Apache Kafka.
#[derive(Debug)]
pub struct Klamm {
    binary: PathBuf,
    arguments: Vec<String>,
    store: Store,
    mqtt_port: u16,
    http_port: u16,
    process: Option<Process>,
    /// What earlier processes wrote.
    past: String,
}

#[derive(Debug)]
enum Store {
    Embedded { data: TempDir, port: u16 },
    Kafka(String),
}

impl Klamm {
    /// Starts it on an embedded log in a directory of its own.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn embedded(binary: &Path, arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        Self::started(binary, arguments, Store::Embedded { data, port: free_port() })
    }

    /// Starts it in front of an Apache Kafka.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn gateway(binary: &Path, kafka: &str, arguments: &[&str]) -> Self {
        Self::started(binary, arguments, Store::Kafka(kafka.to_owned()))
    }

    #[track_caller]
    fn started(binary: &Path, arguments: &[&str], store: Store) -> Self {
        let mut klamm = Self {
            binary: binary.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            store,
            mqtt_port: free_port(),
            http_port: free_port(),
            process: None,
            past: String::new(),
        };
        klamm.start();
        klamm
    }

    /// Starts it, also again after [`Klamm::kill`] or [`Klamm::stop`], on the same ports and data.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "klamm runs already");
        let process = Process::start("klamm", self.command());
        eventually("a klamm that is ready", || {
            assert!(process.is_running(), "klamm ended\n{}", process.everything());
            (status(self.http_port, "/readyz") == Some(200)).then_some(())
        });
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        let local = |port: u16| format!("127.0.0.1:{port}");
        command.args(["--mqtt-listen", &local(self.mqtt_port)]);
        command.args(["--http-listen", &local(self.http_port)]);
        match &self.store {
            Store::Embedded { data, port } => {
                command.args(["--kafka-listen", &local(*port), "--data"]).arg(data.path());
            }
            Store::Kafka(address) => drop(command.args(["--kafka", address])),
        }
        command.args(&self.arguments);
        command
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
            self.past.push_str(&process.everything());
        }
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        let process = self.process.take().expect("klamm runs");
        process.terminate();
        let status = process.wait(PATIENCE);
        self.past.push_str(&process.everything());
        status.unwrap_or_else(|| panic!("klamm does not end on SIGTERM\n{}", self.past))
    }

    /// The running process.
    ///
    /// # Panics
    /// When there is none.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("klamm runs")
    }

    /// Port of MQTT.
    pub fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// Address of MQTT.
    pub fn mqtt(&self) -> String {
        format!("127.0.0.1:{}", self.mqtt_port)
    }

    /// Where Kafka clients connect: to it, or to the Apache Kafka behind it.
    pub fn kafka(&self) -> String {
        match &self.store {
            Store::Embedded { port, .. } => format!("127.0.0.1:{port}"),
            Store::Kafka(address) => address.clone(),
        }
    }

    /// Directory of the embedded log.
    pub fn data(&self) -> Option<&Path> {
        match &self.store {
            Store::Embedded { data, .. } => Some(data.path()),
            Store::Kafka(_) => None,
        }
    }

    /// Status and body of a page.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn page(&self, path: &str) -> (u16, String) {
        get(self.http_port, path).unwrap_or_else(|error| panic!("no answer on {path}: {error}"))
    }

    /// Everything it wrote, earlier processes included.
    pub fn output(&self) -> String {
        let now = self.process.as_ref().map(Process::everything).unwrap_or_default();
        format!("{}{now}", self.past)
    }

    /// Memory that the process has in use (`VmRSS`), in bytes.
    ///
    /// # Panics
    /// When it does not run or the system does not tell.
    pub fn resident_bytes(&self) -> u64 {
        let file = format!("/proc/{}/status", self.process().pid());
        let text = std::fs::read_to_string(file).expect("the process runs");
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells");
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        kib.expect("a number of KiB") << 10
    }
}

/// Shown of the output of a klamm whose test failed: the last of it.
const SHOWN_BYTES: usize = 8 << 10;

impl Drop for Klamm {
    /// A test that fails shows what klamm said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.output();
            let from = output.len().saturating_sub(SHOWN_BYTES);
            eprintln!("{}", output.get(from..).unwrap_or(&output));
        }
    }
}

fn status(port: u16, path: &str) -> Option<u16> {
    get(port, path).ok().map(|(status, _)| status)
}

/// One request over HTTP/1.1.
fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: klamm\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok((status, body.unwrap_or_default()))
}
