//! The devices' own process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use klamm_kafka::KafkaError;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::device::{Device, Pods};
use super::producer::Producer;
use super::subscriber::Subscriber;
use super::{Delivered, Spec};
use crate::load::ledger::{Ledger, Read};
use crate::load::program::{create, patiently, say};
use crate::load::reader::Reader;
use crate::wait::PATIENCE;

/// Runs until it is told to stop or its standard input ends.
///
/// # Errors
/// When Kafka or the gateways cannot be reached, or Kafka does not come back for the verdict.
pub fn run(spec: Spec) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| error.to_string())?
        .block_on(async { Running::start(spec).await?.obey(BufReader::new(stdin()).lines()).await })
}

struct Running {
    spec: Spec,
    ledger: Arc<Ledger>,
    pods: Pods,
    stop: Arc<AtomicBool>,
    devices: JoinSet<()>,
}

/// The topic as a load has it.
fn load(spec: &Spec) -> crate::load::Spec {
    let mut load = crate::load::Spec::new(&spec.bootstrap);
    load.topic.clone_from(&spec.topic);
    load.partitions = spec.partitions;
    load
}

impl Running {
    async fn start(spec: Spec) -> Result<Self, String> {
        let mut brokers = load(&spec).brokers();
        let topic = load(&spec);
        patiently("the topic", async || create(&mut brokers, &topic).await).await?;
        let ledger = Arc::new(Ledger::new(spec.devices as i32 + 1));
        let stop = Arc::new(AtomicBool::new(false));
        let pods: Pods = Arc::new(Mutex::new(spec.pods.clone()));
        let service = spec.service.clone();
        tokio::spawn(Subscriber { service, ledger: Arc::clone(&ledger) }.run());
        let mut devices = JoinSet::new();
        for index in 0..spec.devices {
            let (service, pods) = (spec.service.clone(), Arc::clone(&pods));
            let (ledger, stop) = (Arc::clone(&ledger), Arc::clone(&stop));
            devices.spawn(Device { index, service, pods, ledger, stop }.run());
        }
        let producer = Producer {
            index: spec.devices,
            brokers,
            topic: spec.topic.clone(),
            ledger: Arc::clone(&ledger),
            stop: Arc::clone(&stop),
        };
        devices.spawn(producer.run());
        patiently("a first message of each device", async || {
            if ledger.begun() { Ok(()) } else { Err(KafkaError::Idle("nothing yet")) }
        })
        .await?;
        Ok(Self { spec, ledger, pods, stop, devices })
    }

    async fn obey(mut self, mut orders: Lines<BufReader<Stdin>>) -> Result<(), String> {
        say(&"ready");
        while let Ok(Some(order)) = orders.next_line().await {
            match order.split_once(' ').unwrap_or((&order, "")) {
                ("window", _) => say(&self.ledger.window()),
                ("silence", _) => say(&self.ledger.silence_ms()),
                ("pods", servers) => {
                    let servers = servers.split(',').map(str::to_owned).collect();
                    *self.pods.lock().unwrap_or_else(PoisonError::into_inner) = servers;
                    say(&true);
                }
                ("stop", _) => {
                    say(&self.verdict().await?);
                    return Ok(());
                }
                _ => return Err(format!("no order '{order}'")),
            }
        }
        Ok(())
    }

    async fn verdict(&mut self) -> Result<Delivered, String> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = async { while self.devices.join_next().await.is_some() {} };
        timeout(PATIENCE, ended).await.map_err(|_| "a last message is not acknowledged")?;
        let mut stored: Vec<Read> = Vec::new();
        let topic = load(&self.spec);
        for index in 0..self.spec.partitions {
            let read = async || Reader::new(&topic, index).all().await;
            stored.extend(patiently("everything, read from the beginning", read).await?);
        }
        let mut delivered = Delivered::default();
        for index in 0..=self.spec.devices {
            delivered.judge(index, &self.ledger.partition(index as i32), &stored);
        }
        Ok(delivered)
    }
}
