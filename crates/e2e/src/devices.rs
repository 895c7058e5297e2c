//! MQTT devices in front of a gateway: what was acknowledged to them has to be in Kafka.
//!
//! ```text
//! device 0, 2, .. --- Service ---+                          +--> read back from its beginning, in the end
//! device 1, 3, .. --- pods ------+--> gateways --> Kafka ---+
//!                                                  ^  |
//! producer ------------- plain Kafka records ------+  +--> gateways --> subscriber (through the Service)
//! ```
//!
//! A device publishes numbers with QoS 1, one in flight every 20 ms, to a topic of its own, and sends a number again, over another
//! connection if need be, until it is acknowledged. A publish has three seconds and a connection one. The subscriber hears every
//! device and the producer: no number may be missing within one of its connections. Between two of them messages pass it by, for
//! sessions do not outlive connections yet.

mod device;
mod producer;
pub mod program;
mod subscriber;
mod verdict;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub use verdict::Delivered;

use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::load::Window;
use crate::stage::Stage;

/// Between the numbers of one device and those of the next.
const NUMBERS: i64 = 1_000_000_000;

/// Which devices there are, and where their messages are.
#[derive(Debug, Clone, clap::Args)]
pub struct Spec {
    /// Kafka's servers to begin with, resolved inside the cluster
    #[arg(long, value_name = "HOST:PORT,..")]
    pub bootstrap: String,
    /// The gateways' Service
    #[arg(long, value_name = "HOST:PORT")]
    pub service: String,
    /// Single gateways
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    pub pods: Vec<String>,
    /// Devices; every other one speaks to single gateways
    #[arg(long, default_value_t = 8)]
    pub devices: usize,
    /// The Kafka topic that the gateways' routes lead to; made by this program
    #[arg(long, default_value = "mqtt")]
    pub topic: String,
    /// Its partitions
    #[arg(long, default_value_t = 4)]
    pub partitions: i32,
}

impl Spec {
    fn arguments(&self) -> Vec<String> {
        let flags = [
            ("bootstrap", self.bootstrap.clone()),
            ("service", self.service.clone()),
            ("pods", self.pods.join(",")),
            ("devices", self.devices.to_string()),
            ("topic", self.topic.clone()),
            ("partitions", self.partitions.to_string()),
        ];
        let flag = |(name, value)| [format!("--{name}"), value];
        std::iter::once("devices".to_owned()).chain(flags.into_iter().flat_map(flag)).collect()
    }
}

/// Running devices. Dropped, they are killed.
#[derive(Debug)]
pub struct Devices {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Devices {
    /// Starts them and waits until each was acknowledged and heard.
    ///
    /// # Errors
    /// What they say.
    pub fn start(stage: &Stage<'_>, namespace: &Namespace, spec: &Spec) -> Outcome<Self> {
        let mut command = if stage.cluster().harness.is_some() {
            Command::new(std::env::current_exe().map_err(|error| error.to_string())?)
        } else {
            let image = format!("--image={}", stage.cluster().images.load);
            let mut command = Command::new("kubectl");
            command.args(["-n", namespace.name(), "run", "devices", "-i"]);
            command.args(["--quiet", "--restart=Never", "--pod-running-timeout=5m", &image, "--"]);
            command
        };
        command.args(spec.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("cannot start devices: {error}"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(End::Failed("devices without pipes".to_owned()));
        };
        let mut devices = Self { child, orders, answers: BufReader::new(answers) };
        let ready: String = devices.answer()?;
        End::unless(ready == "ready", || format!("the devices said '{ready}'"))?;
        Ok(devices)
    }

    fn answer<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| format!("the devices: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("the devices said '{line}': {error}"))
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, order: &str) -> Result<T, String> {
        writeln!(self.orders, "{order}").map_err(|error| format!("devices are gone: {error}"))?;
        self.answer()
    }

    /// These are the single gateways from now on.
    ///
    /// # Errors
    /// When the devices are gone.
    pub fn pods(&mut self, servers: &[String]) -> Result<(), String> {
        self.ask::<bool>(&format!("pods {}", servers.join(","))).map(drop)
    }

    /// What happened since the last window: produce is what devices do, consume what the subscriber does.
    ///
    /// # Errors
    /// When the devices are gone.
    pub fn window(&mut self) -> Result<Window, String> {
        self.ask("window")
    }

    /// How long the one that is silent for longest has been so by now.
    ///
    /// # Errors
    /// When the devices are gone.
    pub fn silence_ms(&mut self) -> Result<u64, String> {
        self.ask("silence")
    }

    /// Ends them and has everything read back.
    ///
    /// # Errors
    /// When they are gone.
    pub fn stop(mut self) -> Result<Delivered, String> {
        self.ask("stop")
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        // They may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
