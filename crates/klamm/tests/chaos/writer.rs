//! Idempotent producers that go on through kills: what was not acknowledged is sent again with the same sequence numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::records::{BatchBuilder, Compression, Producer};
use klamm_testkit::eventually;

use crate::ledger::{Ledger, Mark};
use crate::support::kafka::Kafka;
use crate::{PARTITIONS, Seed, TOPIC};

/// Producers at once. They share partitions, so that batches of several lie in each.
const WRITERS: u64 = 3;

/// Answers after which a batch is sent again as it was.
const RETRYABLE: [ErrorCode; 3] =
    [ErrorCode::LeaderNotAvailable, ErrorCode::NotLeaderOrFollower, ErrorCode::RequestTimedOut];

#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    batches: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    pub fn start(address: &str, ledger: &Arc<Ledger>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let batches = Arc::new(AtomicUsize::new(0));
        let thread = |number| {
            let (address, ledger) = (address.to_owned(), Arc::clone(ledger));
            let (stop, batches) = (Arc::clone(&stop), Arc::clone(&batches));
            std::thread::spawn(move || {
                let mut writer = Writer::new(&address, Seed(seed ^ (number + 1) << 32));
                while !stop.load(Ordering::Relaxed) {
                    batches.fetch_add(writer.step(&ledger), Ordering::Relaxed);
                }
            })
        };
        let threads = (0..WRITERS).map(thread).collect();
        Self { stop, batches, threads }
    }

    #[track_caller]
    pub fn wait_for_more(&self, count: usize) {
        let goal = self.batches.load(Ordering::Relaxed) + count;
        eventually("acknowledged batches", || {
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a writer has failed");
            (self.batches.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a writer that ends"));
    }
}

struct Writer {
    address: String,
    client: Option<Kafka>,
    seed: Seed,
    producer_id: i64,
    epoch: i16,
    sequences: BTreeMap<i32, i32>,
    /// The batch of each partition that was sent and not acknowledged.
    open: BTreeMap<i32, Bytes>,
}

impl Writer {
    fn new(address: &str, seed: Seed) -> Self {
        let request =
            InitProducerIdRequest { transaction_timeout_ms: 60_000, ..Default::default() };
        // Klamm may be on its way up.
        let (client, answer) = eventually("a producer id", || {
            let mut client = Kafka::connect(address).ok()?;
            let answer = client.call::<InitProducerId>(&request).ok()?;
            (answer.error_code == 0).then_some((client, answer))
        });
        Self {
            address: address.to_owned(),
            client: Some(client),
            seed,
            producer_id: answer.producer_id,
            epoch: answer.producer_epoch,
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// One request; the number of batches that were acknowledged.
    fn step(&mut self, ledger: &Ledger) -> usize {
        if self.client.is_none() {
            self.client = Kafka::connect(&self.address).ok();
        }
        let Some(mut client) = self.client.take() else { return 0 };
        if self.open.is_empty() {
            for _ in 0..=self.seed.below(3) {
                let partition = self.seed.below(PARTITIONS as u64) as i32;
                if !self.open.contains_key(&partition) {
                    let batch = self.batch(partition);
                    self.open.insert(partition, batch);
                }
            }
        }
        match self.produce(&mut client, ledger) {
            Ok(count) => {
                self.client = Some(client);
                count
            }
            // Killed; what is open goes again on a new connection.
            Err(_) => 0,
        }
    }

    fn batch(&mut self, partition: i32) -> Bytes {
        let next = self.sequences.entry(partition).or_default();
        let base_sequence = *next;
        let codec = match self.seed.below(4) {
            0 => Compression::Lz4,
            1 => Compression::Zstd,
            _ => Compression::None,
        };
        let producer = Producer { id: self.producer_id, epoch: self.epoch, base_sequence };
        let mut builder = BatchBuilder::new().compression(codec).producer(producer);
        let count = 1 + self.seed.below(6) as i32;
        // Today's: a log may forget producers whose records are old.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = now.as_millis() as i64;
        for number in 0..count {
            let sequence = base_sequence + number;
            let mut value = format!("{}-{partition}-{sequence}-", self.producer_id).into_bytes();
            let length = value.len() + self.seed.below(400) as usize;
            value.resize(length, b'.');
            builder.append(now_ms, None, Some(&value), &[]);
        }
        *next += count;
        builder.build()
    }

    fn produce(&mut self, client: &mut Kafka, ledger: &Ledger) -> Result<usize, KafkaError> {
        let partition = |(index, batch): (&i32, &Bytes)| PartitionProduceData {
            index: *index,
            records: Some(batch.clone()),
        };
        let topic = TopicProduceData {
            name: TOPIC.into(),
            partition_data: self.open.iter().map(partition).collect(),
            ..Default::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        let answer = client.call::<Produce>(&request)?;
        let mut count = 0;
        for of in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
            if RETRYABLE.iter().any(|code| *code as i16 == of.error_code) {
                continue;
            }
            assert_eq!(of.error_code, 0, "producer {}: {of:?}", self.producer_id);
            let batch = self.open.remove(&of.index).expect("an answer for what was sent");
            let records = i64::from(i32::from_be_bytes(batch[57..61].try_into().unwrap()));
            let mark = Mark::new(of.base_offset + records, &batch);
            ledger.acknowledged(of.index, of.base_offset, mark);
            count += 1;
        }
        Ok(count)
    }
}
