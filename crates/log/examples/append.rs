//! Measures the embedded log by itself: `cargo run --release -p klamm-log --example append -- [DIRECTORY]`.
//!
//! Each line is one workload. Numbers depend on the disk; `docs/benchmarks.md` has them for one machine.

use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use klamm_kafka_proto::records::BatchBuilder;
use klamm_log::{
    Durability, EmbeddedLog, EmbeddedPartition, Log, LogError, NewTopic, Options, Partition,
    Pending,
};

struct Workload {
    name: &'static str,
    durability: &'static str,
    partitions: u32,
    record_bytes: usize,
    records_in_batch: usize,
    /// Appends that wait for their acknowledgement at a time.
    in_flight: usize,
    /// Clients wait for one acknowledgement before they send on, each on a task of its own.
    clients: usize,
}

const WORKLOADS: [Workload; 8] = [
    load("page cache, 1 KiB records, 16 in a batch", "os", 1, 1024, 16, 256, 1),
    load("page cache, 100 B records, 150 in a batch", "os", 1, 100, 150, 256, 1),
    load("page cache, 100 B records, 150 in a batch", "os", 1000, 100, 150, 256, 1),
    load("page cache, single 100 B records", "os", 1, 100, 1, 1, 50),
    load("page cache, single 100 B records", "os", 1, 100, 1, 2000, 1),
    load("fsync, 1 KiB records, 16 in a batch", "fsync", 1, 1024, 16, 256, 1),
    load("fsync, single 100 B records", "fsync", 1, 100, 1, 1, 50),
    load("fsync, single 1 KiB records", "fsync", 1000, 1024, 1, 1000, 1),
];

const fn load(
    name: &'static str,
    durability: &'static str,
    partitions: u32,
    record_bytes: usize,
    records_in_batch: usize,
    in_flight: usize,
    clients: usize,
) -> Workload {
    Workload { name, durability, partitions, record_bytes, records_in_batch, in_flight, clients }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is an edge")]
fn now() -> Instant {
    Instant::now()
}

fn batch(record_bytes: usize, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    let value = vec![b'x'; record_bytes];
    for _ in 0..count {
        builder.append(1_700_000_000_000, None, Some(&value), &[]);
    }
    builder.build()
}

/// What one client saw: acknowledgements and how long each took.
async fn client(
    partitions: Vec<Arc<EmbeddedPartition>>,
    batch: Bytes,
    in_flight: usize,
    until: Instant,
) -> Vec<Duration> {
    let mut waiting: VecDeque<(Instant, Pending)> = VecDeque::new();
    let mut took = Vec::new();
    let mut at = 0;
    loop {
        let started = now();
        if started >= until && waiting.is_empty() {
            return took;
        }
        if started < until && waiting.len() < in_flight {
            let partition = &partitions[at % partitions.len()];
            // A frame off the wire is never shared with another: nor is this.
            match partition.append(Bytes::copy_from_slice(&batch), Durability::Synced) {
                Ok(pending) => {
                    waiting.push_back((started, pending));
                    at += 1;
                    continue;
                }
                Err(LogError::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
        match waiting.pop_front() {
            Some((started, pending)) => {
                pending.await.expect("appended");
                took.push(started.elapsed());
            }
            None => partitions[0].ready().await,
        }
    }
}

async fn measure(directory: &Path, load: &Workload, seconds: u64) {
    let log = EmbeddedLog::open(directory, Options::default()).await.expect("a log");
    let configs = [("durability", load.durability), ("retention.ms", "-1")];
    let topic = NewTopic {
        name: "t".into(),
        partitions: Some(load.partitions),
        replication: None,
        configs: configs.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    };
    log.create_topic(topic).await.expect("a topic");
    let open = |index| log.open_partition("t", index).expect("a partition");
    let partitions: Vec<_> = (0..load.partitions).map(open).collect();
    let batch = batch(load.record_bytes, load.records_in_batch);
    let (cpu, start) = (cpu_seconds(), now());
    let until = start + Duration::from_secs(seconds);
    let clients: Vec<_> = (0..load.clients)
        .map(|_| tokio::spawn(client(partitions.clone(), batch.clone(), load.in_flight, until)))
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.expect("a client"));
    }
    let elapsed = start.elapsed().as_secs_f64();
    took.sort_unstable();
    let records = (took.len() * load.records_in_batch) as f64;
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{:<42} {:>5} partitions: {:>9.0} rec/s {:>7.1} MB/s {:>8.0} appends/s, ack p50 {:.2} ms p99 {:.2} ms, {:.2} CPU",
        load.name,
        load.partitions,
        records / elapsed,
        records * load.record_bytes as f64 / 1e6 / elapsed,
        took.len() as f64 / elapsed,
        at(0.5),
        at(0.99),
        (cpu_seconds() - cpu) / elapsed,
    );
    log.close().await.expect("closed");
}

/// 10,000 partitions with a record each: memory and the time a start takes after a crash.
async fn many_partitions(directory: &Path) {
    let before = resident_bytes();
    let log = EmbeddedLog::open(directory, Options::default()).await.expect("a log");
    for number in 0..10 {
        let topic =
            NewTopic { name: format!("t{number}"), partitions: Some(1000), ..NewTopic::default() };
        log.create_topic(topic).await.expect("a topic");
    }
    let idle = resident_bytes();
    let batch = batch(100, 1);
    let start = now();
    let mut waiting = Vec::new();
    for topic in log.list() {
        for index in 0..topic.partitions {
            let partition = log.open_partition(&topic.name, index).expect("a partition");
            waiting.push(partition.append(batch.clone(), Durability::Synced).expect("admitted"));
        }
    }
    for pending in waiting {
        pending.await.expect("appended");
    }
    println!(
        "10,000 partitions: idle {:.1} MB resident ({:.1} MB before); a record each in {:.0} ms, then {:.1} MB",
        idle as f64 / 1e6,
        before as f64 / 1e6,
        start.elapsed().as_secs_f64() * 1e3,
        resident_bytes() as f64 / 1e6,
    );
    drop(log);
}

/// Opens what is there, as after a crash, and says how long it took.
async fn start(directory: &Path) {
    let start = now();
    let log = EmbeddedLog::open(directory, Options::default()).await.expect("a log");
    let partitions: u32 = log.list().iter().map(|topic| topic.partitions).sum();
    println!(
        "start with {partitions} partitions: {:.1} ms, {:.1} MB resident",
        start.elapsed().as_secs_f64() * 1e3,
        resident_bytes() as f64 / 1e6,
    );
    // Ended as by kill -9.
    std::process::exit(0);
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(12) + ticks(13)) / 100.0
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async { Box::pin(future).await });
}

/// Runs a part in a process of its own, so that the memory of one does not count for the next.
fn part(directory: &Path, name: &str) {
    let program = std::env::current_exe().expect("this program");
    let status = std::process::Command::new(program).arg(directory).arg(name).status();
    assert!(status.expect("started").success(), "{name} failed");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "append-bench".into()));
    match arguments.next().as_deref() {
        Some("many") => block_on(many_partitions(&directory)),
        Some("start") => block_on(start(&directory)),
        Some(number) => {
            let load = &WORKLOADS[number.parse::<usize>().expect("a workload's number")];
            block_on(measure(&directory, load, 3));
        }
        None => {
            for number in 0..WORKLOADS.len() {
                part(&directory, &number.to_string());
                std::fs::remove_dir_all(&directory).expect("removed");
            }
            part(&directory, "many");
            part(&directory, "start");
            part(&directory, "start");
            std::fs::remove_dir_all(&directory).expect("removed");
        }
    }
}
