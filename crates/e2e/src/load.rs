//! A load that finds out what faults cost: a process inside the cluster's network, told over its standard input.
//!
//! ```text
//! scenario                              klamm-e2e load
//!    |  -- starts it ------------------->  makes the topic, a writer and a reader for each partition
//!    |  <---------------------- "ready"     writers: idempotent, acks=all, one numbered batch in flight, every 20 ms
//!    |  -- "window" --------------------->  readers: from the leader, at the end of the partition
//!    |  <-- Window: stops since the last   a third looks at the ISRs
//!    |  -- "state" ---------------------->
//!    |  <-- State: ISRs, leaders
//!    |  -- "stop" ----------------------->  writers end, readers catch up, every partition is read from its beginning
//!    |  <-- Verdict                        acknowledged and missing, twice, out of order, changed, not seen by readers
//! ```
//!
//! A request has three seconds and a connection one: what a client does about a machine that is silent is part of how long it
//! stops, and these are the load's choices. Kafka's clients wait longer by default.

pub(crate) mod brokers;
pub(crate) mod ledger;
pub mod program;
pub(crate) mod reader;
mod report;
mod verdict;
mod writer;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use klamm_kafka::security::Security;
pub use report::{State, Verdict, Window};

use self::brokers::Brokers;
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::until;

/// What a load writes, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Spec {
    /// Servers to begin with, resolved inside the cluster
    #[arg(long, value_name = "HOST:PORT,..")]
    pub bootstrap: String,
    /// Made by the load
    #[arg(long, default_value = "load")]
    pub topic: String,
    /// Partitions of the topic, each with a writer and a reader
    #[arg(long, default_value_t = 3)]
    pub partitions: i32,
    /// Replicas of each
    #[arg(long, default_value_t = 3)]
    pub replicas: i16,
    /// `min.insync.replicas` of the topic
    #[arg(long, default_value_t = 2)]
    pub min_insync: i16,
    /// Records of a batch; each partition gets a batch every 20 ms
    #[arg(long, default_value_t = 10)]
    pub batch: i32,
    /// The first line of standard input is the Secret of a KafkaUser, as JSON: the load connects as that user
    #[arg(long)]
    pub as_user: bool,
    /// Who that is.
    #[arg(skip)]
    secret: Secret,
}

impl Spec {
    /// Three partitions of three replicas, 500 records a second into each.
    pub fn new(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topic: "load".to_owned(),
            partitions: 3,
            replicas: 3,
            min_insync: 2,
            batch: 10,
            as_user: false,
            secret: Secret::default(),
        }
    }

    /// The same, as the user of a Secret and over that user's listener.
    pub(crate) fn of_user(secret: &Secret) -> Result<Self, String> {
        let bootstrap = secret.text("bootstrap.servers")?;
        Ok(Self { as_user: true, secret: secret.clone(), ..Self::new(&bootstrap) })
    }

    /// Connections as the user there is.
    pub(crate) fn brokers(&self) -> Brokers {
        let security = if self.as_user { self.secret.security() } else { Ok(Security::default()) };
        Brokers::new(&self.bootstrap, security)
    }

    fn arguments(&self) -> Vec<String> {
        let flags = [
            ("bootstrap", self.bootstrap.clone()),
            ("topic", self.topic.clone()),
            ("partitions", self.partitions.to_string()),
            ("replicas", self.replicas.to_string()),
            ("min-insync", self.min_insync.to_string()),
            ("batch", self.batch.to_string()),
        ];
        let flag = |(name, value)| [format!("--{name}"), value];
        let all = std::iter::once("load".to_owned()).chain(flags.into_iter().flat_map(flag));
        all.chain(self.as_user.then(|| "--as-user".to_owned())).collect()
    }
}

/// A running load. Dropped, it is killed.
#[derive(Debug)]
pub struct Load {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    brokers: usize,
}

impl Load {
    /// Starts one and waits until every partition takes and gives records.
    ///
    /// On the harness it is a process beside the scenario; elsewhere a pod, since only pods reach pods there.
    ///
    /// # Errors
    /// What it says.
    pub fn start(stage: &Stage<'_>, namespace: &Namespace, spec: &Spec) -> Outcome<Self> {
        let mut command = if stage.cluster().harness.is_some() {
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            Command::new(program)
        } else {
            let image = format!("--image={}", stage.cluster().images.load);
            let mut command = Command::new("kubectl");
            command.args(["-n", namespace.name(), "run", &format!("load-{}", spec.topic), "-i"]);
            command.args(["--quiet", "--restart=Never", "--pod-running-timeout=5m", &image, "--"]);
            command
        };
        command.args(spec.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot start a load: {error}"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(End::Failed("a load without pipes".to_owned()));
        };
        let mut load = Self { child, orders, answers: BufReader::new(answers), brokers: 0 };
        if spec.as_user {
            let secret = serde_json::to_string(&spec.secret).map_err(|error| error.to_string())?;
            writeln!(load.orders, "{secret}").map_err(|error| format!("the load: {error}"))?;
        }
        let ready: String = load.answer()?;
        End::unless(ready == "ready", || format!("the load said '{ready}'"))?;
        load.brokers = load.state()?.brokers.len();
        Ok(load)
    }

    fn answer<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| format!("the load: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("the load said '{line}': {error}"))
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, order: &str) -> Result<T, String> {
        writeln!(self.orders, "{order}").map_err(|error| format!("the load is gone: {error}"))?;
        self.answer()
    }

    /// What happened since the last window, or the beginning; a stop that goes on counts.
    ///
    /// # Errors
    /// When the load is gone.
    pub fn window(&mut self) -> Result<Window, String> {
        self.ask("window")
    }

    /// The cluster as its metadata has it.
    ///
    /// # Errors
    /// When the load is gone.
    pub fn state(&mut self) -> Result<State, String> {
        self.ask("state")
    }

    /// Waits until all brokers that were there at the start are, and every replica of every topic is in sync.
    ///
    /// # Errors
    /// When that does not come true within `limit`.
    pub fn full(&mut self, limit: Duration) -> Result<Duration, String> {
        self.full_since(now(), limit)
    }

    /// As [`Load::full`], the time counted from an earlier moment.
    ///
    /// # Errors
    /// When that does not come true within `limit`.
    pub fn full_since(&mut self, start: Instant, limit: Duration) -> Result<Duration, String> {
        let brokers = self.brokers;
        until("every replica in sync", limit, || {
            let state = self.state()?;
            let whole = state.under.is_empty() && state.brokers.len() >= brokers;
            if whole { Ok(()) } else { Err(state.to_string()) }
        })?;
        Ok(Duration::from_millis(since_ms(start)))
    }

    /// Ends it and has it read everything back.
    ///
    /// # Errors
    /// When it is gone.
    pub fn stop(mut self) -> Result<Verdict, String> {
        self.ask("stop")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended already is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
