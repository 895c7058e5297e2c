//! What a scenario has at hand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use klamm_testkit::{ApacheKafka, Klamm, Peers, Skip, eventually, run};

use crate::support::kafka::Kafka;

/// What scenarios share.
pub struct Shared {
    binary: PathBuf,
    peers: Peers,
    kafka: OnceLock<Result<ApacheKafka, Skip>>,
}

impl Shared {
    pub fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned(), peers: Peers::find(), kafka: OnceLock::new() }
    }
}

/// The log that a scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Embedded,
    ApacheKafka,
}

/// One scenario on one log.
pub struct World<'a> {
    shared: &'a Shared,
    pub log: Log,
    scenario: &'static str,
}

impl<'a> World<'a> {
    pub fn new(shared: &'a Shared, log: Log, scenario: &'static str) -> Self {
        Self { shared, log, scenario }
    }

    pub fn name(&self) -> String {
        let log = match self.log {
            Log::Embedded => "embedded",
            Log::ApacheKafka => "apache_kafka",
        };
        format!("{log}::{}", self.scenario)
    }

    pub fn peers(&self) -> &Peers {
        &self.shared.peers
    }

    /// The log topic of MQTT messages: the scenario's own, also on a Kafka that others use.
    pub fn topic(&self) -> String {
        format!("{}-{}", self.scenario, std::process::id())
    }

    /// A klamm on the scenario's log.
    pub fn klamm(&self, arguments: &[&str]) -> Result<Klamm, Skip> {
        match self.log {
            Log::Embedded => Ok(self.start(None, arguments)),
            Log::ApacheKafka => {
                let kafka = self
                    .shared
                    .kafka
                    .get_or_init(|| ApacheKafka::given_or_started(&self.shared.peers));
                let kafka = kafka.as_ref().map_err(Skip::clone)?;
                Ok(self.start(Some(kafka.address()), arguments))
            }
        }
    }

    /// A klamm in front of an Apache Kafka of the scenario's own.
    pub fn klamm_before(&self, kafka: &ApacheKafka) -> Klamm {
        self.start(Some(kafka.address()), &[])
    }

    fn start(&self, kafka: Option<&str>, arguments: &[&str]) -> Klamm {
        let topic = self.topic();
        let arguments = [&["--default-topic", &*topic], arguments].concat();
        match kafka {
            None => Klamm::embedded(&self.shared.binary, &arguments),
            Some(address) => Klamm::gateway(&self.shared.binary, address, &arguments),
        }
    }

    /// Everything in the scenario's topic, by kcat; as many lines as `count` says, a line each in kcat's `format`.
    pub fn kcat_reads(
        &self,
        klamm: &Klamm,
        count: usize,
        format: &str,
    ) -> Result<Vec<String>, Skip> {
        let topic = self.topic();
        self.peers().program("kcat")?;
        Ok(eventually("messages in kcat", || {
            let mut kcat = self.peers().program("kcat").expect("was there");
            kcat.args(["-C", "-q", "-e", "-o", "beginning", "-b", &klamm.kafka(), "-t", &topic]);
            kcat.args(["-f", format]);
            let output = run("kcat", kcat).expect_success();
            let lines: Vec<String> = output.lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        }))
    }

    /// mosquitto_pub, still without topic and message.
    pub fn mosquitto_pub(&self, klamm: &Klamm, version: &str, qos: &str) -> Result<Command, Skip> {
        let mut command = self.peers().program("mosquitto_pub")?;
        let port = klamm.mqtt_port().to_string();
        command.args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", qos]);
        Ok(command)
    }

    /// A client of the log behind klamm.
    pub fn kafka(&self, klamm: &Klamm) -> Kafka {
        eventually("a connection to Kafka", || Kafka::connect(&klamm.kafka()).ok())
    }

    /// Values in the scenario's topic.
    pub fn values(&self, klamm: &Klamm) -> Vec<String> {
        self.kafka(klamm).values(&self.topic())
    }
}
