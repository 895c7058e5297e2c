//! The writer of one partition: idempotent, acks=all, one batch in flight, sent again as it was until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka::cluster::check;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::records::{BatchBuilder, Producer};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Spec;
use super::brokers::{Brokers, REQUEST};
use super::ledger::{Acknowledged, Ledger};

/// Between two batches.
const PACE: Duration = Duration::from_millis(20);
/// Before a batch is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a record.
const RECORD_BYTES: usize = 100;

/// What means that the leader no longer knows what it acknowledged: with one batch in flight a sequence cannot be out of
/// order otherwise.
const CONTRADICTIONS: [ErrorCode; 2] =
    [ErrorCode::OutOfOrderSequenceNumber, ErrorCode::UnknownProducerId];

pub(crate) struct Writer {
    pub(crate) spec: Spec,
    pub(crate) partition: i32,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Writer {
    /// Until it is told to stop; a batch that is under way then is still seen through.
    pub(crate) async fn run(self) {
        let mut brokers = self.spec.brokers();
        let mut producer = self.producer(&mut brokers).await;
        let mut number = 0;
        let mut pace = interval(PACE);
        // After a stop the load goes on as before; it does not catch up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.load(Ordering::Relaxed) {
            pace.tick().await;
            let batch = self.batch(producer, number);
            let Some(offset) = self.deliver(&mut brokers, &batch).await else {
                producer = self.producer(&mut brokers).await;
                continue;
            };
            let count = i64::from(self.spec.batch);
            self.ledger.acknowledge(self.partition, Acknowledged { offset, first: number, count });
            number += count;
            producer.base_sequence += self.spec.batch;
        }
    }

    async fn producer(&self, brokers: &mut Brokers) -> Producer {
        let request =
            InitProducerIdRequest { transaction_timeout_ms: 60_000, ..Default::default() };
        loop {
            match brokers.any::<InitProducerId>(&request).await {
                Ok(answer) if answer.error_code == 0 => {
                    let (id, epoch) = (answer.producer_id, answer.producer_epoch);
                    return Producer { id, epoch, base_sequence: 0 };
                }
                _ => sleep(PAUSE).await,
            }
        }
    }

    fn batch(&self, producer: Producer, first: i64) -> Bytes {
        let mut builder = BatchBuilder::new().producer(producer);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for number in first..first + i64::from(self.spec.batch) {
            let mut value = number.to_string().into_bytes();
            value.resize(RECORD_BYTES, b' ');
            builder.append(now.as_millis() as i64, None, Some(&value), &[]);
        }
        builder.build()
    }

    /// The offset it was acknowledged at; nothing when the leader contradicts what was acknowledged before.
    async fn deliver(&self, brokers: &mut Brokers, batch: &Bytes) -> Option<i64> {
        loop {
            match self.produce(brokers, batch).await {
                Ok(offset) => return Some(offset),
                Err(KafkaError::Refused { code, .. }) if CONTRADICTIONS.contains(&code) => {
                    self.ledger.contradict(self.partition, format!("{}: {code}", self.partition));
                    return None;
                }
                Err(_) => {
                    self.ledger.retry(self.partition);
                    brokers.forget();
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn produce(&self, brokers: &mut Brokers, batch: &Bytes) -> Result<i64, KafkaError> {
        let data = PartitionProduceData { index: self.partition, records: Some(batch.clone()) };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: REQUEST.as_millis() as i32,
            topic_data: vec![TopicProduceData {
                name: self.spec.topic.as_str().into(),
                partition_data: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = brokers.leader::<Produce>(&self.spec.topic, self.partition, &request).await?;
        let of = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        let of = of.ok_or(KafkaError::Closed)?;
        check(of.error_code, || "produce".to_owned())?;
        Ok(of.base_offset)
    }
}
