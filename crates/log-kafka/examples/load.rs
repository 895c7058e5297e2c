//! Appends under load, as MQTT makes them: how many records a second, and how long until they are acknowledged.
//!
//! ```text
//! cargo run --release -p klamm-log-kafka --example load -- localhost:9092
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use klamm_kafka_proto::records::{BatchBuilder, Header};
use klamm_log::{Durability, Log, LogError, NewTopic, Partition, Position};
use klamm_log_kafka::{KafkaLog, Options};
use tokio::time::Instant;

const PARTITIONS: u32 = 4;
const VALUE_BYTES: usize = 100;
const RUN: Duration = Duration::from_secs(5);

/// One writer: `window` appends of `size` records under way.
async fn write(to: Arc<dyn Partition>, size: usize, window: usize) -> (u64, Histogram<u64>) {
    let mut latency_us = Histogram::new(3).expect("a histogram");
    let mut waiting: VecDeque<(Instant, klamm_log::Pending)> = VecDeque::new();
    let mut count = 0;
    let header = Header { key: "mqtt.qos".into(), value: Some("1".into()) };
    let start = Instant::now();
    loop {
        let running = start.elapsed() < RUN;
        if running && waiting.len() < window {
            let mut builder = BatchBuilder::new();
            for _ in 0..size {
                let headers = std::slice::from_ref(&header);
                builder.append(1_790_000_000_000, Some(b"a/b/c"), Some(&[1; VALUE_BYTES]), headers);
            }
            let now = Instant::now();
            match to.append(builder.build(), Durability::Synced) {
                Ok(pending) => waiting.push_back((now, pending)),
                Err(LogError::Full) => to.ready().await,
                Err(error) => panic!("{error}"),
            }
            continue;
        }
        let Some((since, pending)) = waiting.pop_front() else { return (count, latency_us) };
        pending.await.expect("an append");
        latency_us.record(since.elapsed().as_micros() as u64).expect("a latency");
        count += size as u64;
    }
}

async fn run(address: &str, linger_ms: u64, size: usize, window: usize, tails: bool) {
    let linger = Duration::from_millis(linger_ms);
    let log =
        KafkaLog::connect(address, &[], Options { linger, ..Options::default() }).expect("a log");
    let name = "klamm.load";
    let _ = log.delete_topic(name).await;
    let topic = NewTopic { name: name.into(), partitions: Some(PARTITIONS), ..NewTopic::default() };
    log.create_topic(topic).await.expect("a topic");
    let mut writers = Vec::new();
    for index in 0..PARTITIONS {
        let partition = log.partition(name, index).await.expect("a partition");
        partition
            .append(
                {
                    let mut builder = BatchBuilder::new();
                    builder.append(1_790_000_000_000, None, Some(b"warm"), &[]);
                    builder.build()
                },
                Durability::Synced,
            )
            .expect("room")
            .await
            .expect("an append");
        if tails {
            let mut reader = partition.reader(Position::Latest).await.expect("a reader");
            tokio::spawn(async move { while reader.next(1 << 20).await.is_ok() {} });
        }
        writers.push(tokio::spawn(write(partition, size, window)));
    }
    let start = Instant::now();
    let mut latency_us = Histogram::<u64>::new(3).expect("a histogram");
    let mut count = 0;
    for writer in writers {
        let (wrote, of_writer) = writer.await.expect("a writer");
        count += wrote;
        latency_us.add(of_writer).expect("histograms of one kind");
    }
    let per_second = count as f64 / start.elapsed().as_secs_f64();
    println!(
        "linger {linger_ms} ms, {size:>2} records/append, {window:>4} under way/partition{}: {per_second:>8.0} records/s, p50 {:.1} ms, p99 {:.1} ms",
        if tails { ", tailed" } else { "" },
        latency_us.value_at_quantile(0.5) as f64 / 1000.0,
        latency_us.value_at_quantile(0.99) as f64 / 1000.0,
    );
    log.close().await.expect("close");
}

/// Appends of one record at a steady rate over many partitions, as from many devices, and what they cost.
async fn run_paced(address: &str, linger_ms: u64, per_ms: u32, partitions: u32) {
    let linger = Duration::from_millis(linger_ms);
    let log =
        KafkaLog::connect(address, &[], Options { linger, ..Options::default() }).expect("a log");
    let name = "klamm.load.paced";
    let _ = log.delete_topic(name).await;
    let topic = NewTopic { name: name.into(), partitions: Some(partitions), ..NewTopic::default() };
    log.create_topic(topic).await.expect("a topic");
    let mut open = Vec::new();
    for index in 0..partitions {
        open.push(log.partition(name, index).await.expect("a partition"));
    }
    let (sender, mut receiver) =
        tokio::sync::mpsc::channel::<(Instant, klamm_log::Pending)>(100_000);
    let acks = tokio::spawn(async move {
        let mut latency_us = Histogram::<u64>::new(3).expect("a histogram");
        while let Some((since, pending)) = receiver.recv().await {
            pending.await.expect("an append");
            latency_us.record(since.elapsed().as_micros() as u64).expect("a latency");
        }
        latency_us
    });
    let (start, cpu) = (Instant::now(), cpu_ticks());
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut next = open.iter().cycle();
    while start.elapsed() < RUN {
        tick.tick().await;
        for _ in 0..per_ms {
            let mut builder = BatchBuilder::new();
            builder.append(1_790_000_000_000, Some(b"a/b/c"), Some(&[1; VALUE_BYTES]), &[]);
            let to = next.next().expect("a partition");
            let pending = to.append(builder.build(), Durability::Synced).expect("room");
            sender.send((Instant::now(), pending)).await.expect("a receiver");
        }
    }
    drop(sender);
    let latency_us = acks.await.expect("acknowledgements");
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "linger {linger_ms} ms, {:.0} records/s offered over {partitions} partitions: p50 {:.1} ms, p99 {:.1} ms, {:.0} % of a core",
        latency_us.len() as f64 / seconds,
        latency_us.value_at_quantile(0.5) as f64 / 1000.0,
        latency_us.value_at_quantile(0.99) as f64 / 1000.0,
        (cpu_ticks() - cpu) as f64 / seconds, // Linux counts 100 ticks a second
    );
    log.close().await.expect("close");
}

/// User and system time of this process so far (proc(5), fields 14 and 15 of `stat`).
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    for linger_ms in [0, 2, 5] {
        run_paced(&address, linger_ms, 2, 64).await;
        run_paced(&address, linger_ms, 20, 64).await;
    }
    for linger_ms in [0, 2, 5] {
        run(&address, linger_ms, 1, 25, false).await;
        run(&address, linger_ms, 1, 1000, false).await;
        run(&address, linger_ms, 1, 1000, true).await;
        run(&address, linger_ms, 50, 50, false).await;
    }
}
