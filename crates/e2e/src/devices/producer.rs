//! Plain records of Kafka, which MQTT subscribers are to hear too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka::cluster::check;
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::records::{BatchBuilder, Header};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::NUMBERS;
use crate::load::brokers::{Brokers, REQUEST};
use crate::load::ledger::{Acknowledged, Ledger};

/// Between two records.
const PACE: Duration = Duration::from_millis(50);
/// Before a record is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// A record's MQTT topic.
pub(super) const TOPIC: &str = "e2e/kafka";
const PARTITION: i32 = 0;

pub(super) struct Producer {
    /// After the devices'.
    pub(super) index: usize,
    pub(super) brokers: Brokers,
    pub(super) topic: String,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Producer {
    pub(super) async fn run(mut self) {
        let mut number = 0;
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.load(Ordering::Relaxed) {
            pace.tick().await;
            let batch = batch(self.index as i64 * NUMBERS + number);
            while self.produce(&batch).await.is_err() {
                self.ledger.retry(self.index as i32);
                self.brokers.forget();
                sleep(PAUSE).await;
            }
            let one = Acknowledged { offset: 0, first: number, count: 1 };
            self.ledger.acknowledge(self.index as i32, one);
            number += 1;
        }
    }

    async fn produce(&mut self, batch: &Bytes) -> Result<(), KafkaError> {
        let data = PartitionProduceData { index: PARTITION, records: Some(batch.clone()) };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: REQUEST.as_millis() as i32,
            topic_data: vec![TopicProduceData {
                name: self.topic.as_str().into(),
                partition_data: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = self.brokers.leader::<Produce>(&self.topic, PARTITION, &request).await?;
        let of = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        check(of.ok_or(KafkaError::Closed)?.error_code, || "produce".to_owned())
    }
}

fn batch(number: i64) -> Bytes {
    let name = Header { key: Bytes::from_static(b"mqtt.topic"), value: Some(TOPIC.into()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut builder = BatchBuilder::new();
    builder.append(now.as_millis() as i64, None, Some(number.to_string().as_bytes()), &[name]);
    builder.build()
}
