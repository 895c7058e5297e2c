//! `klamm bench kafka-produce`.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka::client::Client;
use klamm_kafka::cluster::check;
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, ProduceResponse, TopicProduceData,
};
use klamm_kafka_proto::records::BatchBuilder;
use klamm_kafka_proto::{ApiKey, Uuid};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Target;
use crate::clock::now_ms;
use crate::commands::bench::Load;
use crate::commands::bench::measure::{Pacer, Tally, progress};

/// Ten seconds together: a thousand new partitions take Apache Kafka one or two.
const WARM_UP_TRIES: u32 = 100;
const WARM_UP_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    load: Load,

    /// Records of a batch
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Requests of a client in flight
    #[arg(short, long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,

    /// -1: when it is as durable as the topic promises; 1: when the server has it
    #[arg(short, long, default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1..=1))]
    acks: i16,

    /// A batch for every partition in each request, instead of one partition for each client
    #[arg(long)]
    all_partitions: bool,
}

pub async fn run(args: Args) -> Result<(), String> {
    if args.acks == 0 {
        return Err("--acks 0 has no answer whose time could be taken: use 1 or -1".into());
    }
    let (cluster, topic) = args.target.connect().await?;
    let mut producers = Vec::new();
    for number in 0..args.load.clients as usize {
        let own = &topic.partitions[number % topic.partitions.len()];
        let client = cluster.separate(own.leader_id).await;
        let client = client.map_err(|error| error.to_string())?;
        let partitions = topic.partitions.iter().filter(|partition| {
            let index = partition.partition_index;
            partition.leader_id == own.leader_id
                && (args.all_partitions || index == own.partition_index)
        });
        let indices = partitions.map(|partition| partition.partition_index).collect();
        producers.push(Producer::new(&args, client, indices));
    }
    for producer in &mut producers {
        producer.warm_up().await?;
    }
    let bar = progress(&args.load);
    let start = Instant::now();
    let mut running = JoinSet::new();
    for producer in producers {
        let pacer = Pacer::new(&args.load, start, producer.records);
        running.spawn(producer.run(pacer));
    }
    let mut total = Tally::default();
    for tally in running.join_all().await {
        total.add(&tally);
    }
    let elapsed = start.elapsed();
    bar.abort();
    total.report("kafka-produce", "records", elapsed, args.load.json)
}

struct Producer {
    client: Client,
    version: i16,
    request: ProduceRequest,
    records: u64,
    bytes: u64,
    window: usize,
}

impl Producer {
    fn new(args: &Args, client: Client, indices: Vec<i32>) -> Self {
        let by_name = Uuid::default();
        let version = client.version_for(ApiKey::Produce, by_name).unwrap_or(3);
        let records = u64::from(args.batch) * indices.len() as u64;
        let batch = batch(args.batch, args.load.size);
        let partition_data = indices
            .into_iter()
            .map(|index| PartitionProduceData { index, records: Some(batch.clone()) })
            .collect();
        let request = ProduceRequest {
            acks: args.acks,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: args.target.topic.as_str().into(),
                partition_data,
                ..Default::default()
            }],
            ..Default::default()
        };
        let bytes = records * args.load.size as u64;
        Self { client, version, request, records, bytes, window: args.window as usize }
    }

    /// One request that is not counted; again while leaders of a new topic are not ready.
    async fn warm_up(&mut self) -> Result<(), String> {
        let mut tries = 0;
        loop {
            let called = self.client.call_at::<Produce>(self.version, &self.request).await;
            match called.and_then(|answer| outcome(&answer)) {
                Err(error) if error.is_retryable() && tries < WARM_UP_TRIES => tries += 1,
                done => return done.map_err(|error| error.to_string()),
            }
            tokio::time::sleep(WARM_UP_PAUSE).await;
        }
    }

    async fn run(mut self, mut pacer: Pacer) -> Tally {
        let mut tally = Tally::default();
        let mut in_flight: VecDeque<Instant> = VecDeque::new();
        loop {
            let now = Instant::now();
            let due = pacer.due(now);
            let room = in_flight.len() < self.window;
            let sent = match due {
                Some(due) if room && due <= now => {
                    pacer.take();
                    in_flight.push_back(due);
                    self.client.send::<Produce>(self.version, &self.request).await
                }
                None if in_flight.is_empty() => return tally,
                due => {
                    let due = due.filter(|_| room);
                    tokio::select! {
                        answer = self.client.receive::<Produce>(self.version), if !in_flight.is_empty() => {
                            answer.and_then(|answer| {
                                let due = in_flight.pop_front().unwrap_or(now);
                                outcome(&answer)?;
                                tally.done(self.records, self.bytes, due, Instant::now());
                                Ok(())
                            })
                        }
                        () = sleep_until(due.unwrap_or(now)), if due.is_some() => Ok(()),
                    }
                }
            };
            if let Err(error) = sent {
                tally.fail(self.records, &error);
                if !error.is_retryable() || in_flight.is_empty() {
                    return tally;
                }
            }
        }
    }
}

/// The first refusal in an answer.
fn outcome(answer: &ProduceResponse) -> Result<(), KafkaError> {
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.try_for_each(|partition| check(partition.error_code, || "produce".into()))
}

/// Records of bytes that no codec could shrink to nothing.
fn batch(records: u32, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    let mut state = 0x9e37_79b9_u32;
    for _ in 0..records {
        let value: Vec<u8> = (0..size)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        builder.append(now_ms(), None, Some(&value), &[]);
    }
    builder.build()
}
