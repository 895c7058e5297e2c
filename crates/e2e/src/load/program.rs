//! The load's own process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use klamm_kafka::KafkaError;
use klamm_kafka::cluster::check;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopics, CreateTopicsRequest,
};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::brokers::Brokers;
use super::ledger::{Ledger, Read};
use super::reader::Reader;
use super::report::{State, Verdict};
use super::writer::Writer;
use super::{Spec, verdict};
use crate::clock::now;
use crate::wait::PATIENCE;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs until it is told to stop or its standard input ends.
///
/// # Errors
/// When the cluster cannot be reached, or does not come back for the verdict.
pub fn run(spec: Spec) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let mut orders = BufReader::new(stdin()).lines();
        let mut spec = spec;
        if spec.as_user {
            let line = orders.next_line().await.map_err(|error| error.to_string())?;
            let secret = serde_json::from_str(line.as_deref().unwrap_or_default());
            spec.secret = secret.map_err(|error| format!("no Secret came: {error}"))?;
        }
        // A broken pipe is an end like any other: nobody listens.
        Running::start(spec).await?.obey(orders).await
    })
}

struct Running {
    spec: Spec,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    brokers: Brokers,
    writers: JoinSet<()>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    async fn start(spec: Spec) -> Result<Self, String> {
        let mut brokers = spec.brokers();
        patiently("the topic", async || create(&mut brokers, &spec).await).await?;
        let ledger = Arc::new(Ledger::new(spec.partitions));
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        let mut readers = Vec::new();
        for partition in 0..spec.partitions {
            let (spec, stop) = (spec.clone(), Arc::clone(&stop));
            readers.push(tokio::spawn(Reader::new(&spec, partition).run(Arc::clone(&ledger))));
            writers.spawn(Writer { spec, partition, ledger: Arc::clone(&ledger), stop }.run());
        }
        patiently("a first record of each partition", async || {
            if ledger.begun() { Ok(()) } else { Err(KafkaError::Idle("nothing yet")) }
        })
        .await?;
        Ok(Self { spec, ledger, stop, brokers, writers, readers })
    }

    async fn obey(mut self, mut orders: Lines<BufReader<Stdin>>) -> Result<(), String> {
        say(&"ready");
        while let Ok(Some(order)) = orders.next_line().await {
            match &*order {
                "window" => say(&self.ledger.window()),
                "state" => say(&self.state().await),
                "stop" => {
                    say(&self.verdict().await?);
                    return Ok(());
                }
                other => return Err(format!("no order '{other}'")),
            }
        }
        Ok(())
    }

    async fn state(&mut self) -> State {
        let response = match self.brokers.metadata(None).await {
            Ok(response) => response,
            Err(error) => return State { error: Some(error.to_string()), ..State::default() },
        };
        let mut state = State::default();
        for broker in &response.brokers {
            state.brokers.insert(broker.node_id, format!("{}:{}", broker.host, broker.port));
        }
        for topic in &response.topics {
            let name = topic.name.as_deref().unwrap_or_default();
            let ours = name == self.spec.topic;
            for partition in &topic.partitions {
                if partition.isr_nodes.len() < partition.replica_nodes.len() {
                    state.under.push(format!("{name}-{}", partition.partition_index));
                }
                if ours {
                    state.leaders.push(partition.leader_id);
                }
            }
        }
        state
    }

    async fn verdict(mut self) -> Result<Verdict, String> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = async { while self.writers.join_next().await.is_some() {} };
        timeout(PATIENCE, ended).await.map_err(|_| "a last batch is not acknowledged")?;
        let mut verdict = Verdict::default();
        for index in 0..self.spec.partitions {
            let read = async || Reader::new(&self.spec, index).all().await;
            let stored = patiently("everything, read from the beginning", read).await?;
            self.catch_up(index, &stored).await;
            verdict::judge(&mut verdict, &self.ledger.partition(index), &stored);
        }
        self.readers.iter().for_each(JoinHandle::abort);
        Ok(verdict)
    }

    /// A reader that does not get to the end is seen in the verdict.
    async fn catch_up(&self, index: i32, stored: &[Read]) {
        let caught = async || {
            let behind = self.ledger.partition(index).read.last() != stored.last();
            if behind { Err(KafkaError::Idle("behind")) } else { Ok(()) }
        };
        let _ = patiently("the reader at the end", caught).await;
    }
}

pub(crate) async fn create(brokers: &mut Brokers, spec: &Spec) -> Result<(), KafkaError> {
    let min_insync = CreatableTopicConfig {
        name: "min.insync.replicas".into(),
        value: Some(spec.min_insync.to_string().as_str().into()),
    };
    let topic = CreatableTopic {
        name: spec.topic.as_str().into(),
        num_partitions: spec.partitions,
        replication_factor: spec.replicas,
        configs: vec![min_insync],
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 2_000, ..Default::default() };
    let answer = brokers.any::<CreateTopics>(&request).await?;
    let code = answer.topics.first().map_or(0, |topic| topic.error_code);
    if code == ErrorCode::TopicAlreadyExists as i16 {
        // An attempt before this one, whose answer did not come.
        return Ok(());
    }
    check(code, || format!("topic '{}'", spec.topic))
}

pub(crate) async fn patiently<T>(
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, KafkaError>,
) -> Result<T, String> {
    let end: Instant = now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if now() > end => return Err(format!("waited in vain: {what}: {error}")),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

pub(crate) fn say(answer: &impl serde::Serialize) {
    // Our own types have no keys that JSON has not.
    println!("{}", serde_json::to_string(answer).unwrap_or_default());
}
