//! Reads a partition: at its end for as long as the load runs, and once more from the beginning for the verdict.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka::cluster::check;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use klamm_kafka_proto::records::{batches, records};
use tokio::time::sleep;

use super::Spec;
use super::brokers::Brokers;
use super::ledger::{Ledger, Read};

/// Before a fetch that failed is made again.
const PAUSE: Duration = Duration::from_millis(50);
/// Most of one fetch.
const FETCH_BYTES: i32 = 4 << 20;
/// Most that a batch unpacks to; the load's are not packed.
const UNPACK_BYTES: usize = 16 << 20;

pub(crate) struct Reader {
    pub(crate) spec: Spec,
    pub(crate) partition: i32,
    pub(crate) brokers: Brokers,
    pub(crate) next: i64,
}

impl Reader {
    pub(crate) fn new(spec: &Spec, partition: i32) -> Self {
        let brokers = spec.brokers();
        Self { spec: spec.clone(), partition, brokers, next: 0 }
    }

    /// Reads for ever what comes; dropped when the load is over.
    pub(crate) async fn run(mut self, ledger: Arc<Ledger>) {
        loop {
            match self.more().await {
                Ok((read, _)) if read.is_empty() => {}
                Ok((read, _)) => ledger.read(self.partition, &read),
                Err(error) => {
                    if let KafkaError::Refused { code: ErrorCode::OffsetOutOfRange, .. } = error {
                        let at = format!("{}: read up to {}, gone now", self.partition, self.next);
                        ledger.contradict(self.partition, at);
                    }
                    self.brokers.forget();
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Everything up to the high watermark.
    pub(crate) async fn all(mut self) -> Result<Vec<Read>, KafkaError> {
        let mut all = Vec::new();
        loop {
            let (read, end) = self.more().await?;
            all.extend(read);
            if self.next >= end {
                return Ok(all);
            }
        }
    }

    /// What comes next, and the high watermark.
    async fn more(&mut self) -> Result<(Vec<Read>, i64), KafkaError> {
        let what = FetchPartition {
            partition: self.partition,
            fetch_offset: self.next,
            partition_max_bytes: FETCH_BYTES,
            ..Default::default()
        };
        let request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: FETCH_BYTES,
            topics: vec![FetchTopic {
                topic: self.spec.topic.as_str().into(),
                partitions: vec![what],
                ..Default::default()
            }],
            ..Default::default()
        };
        let (topic, index) = (self.spec.topic.clone(), self.partition);
        let answer = self.brokers.leader::<Fetch>(&topic, index, &request).await?;
        check(answer.error_code, || "fetch".to_owned())?;
        let of = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let of = of.ok_or(KafkaError::Closed)?;
        check(of.error_code, || "fetch".to_owned())?;
        let (read, next) = unpack(of.records.unwrap_or_default(), self.next)?;
        self.next = next;
        Ok((read, of.high_watermark))
    }
}

/// The records from an offset on, and the offset after them.
fn unpack(bytes: Bytes, from: i64) -> Result<(Vec<Read>, i64), KafkaError> {
    let (mut read, mut next) = (Vec::new(), from);
    // The last batch of a fetch may be cut off.
    for (header, batch) in batches(bytes).map_while(Result::ok) {
        let broken = |error| KafkaError::Unreadable { offset: header.base_offset, error };
        header.verify(&batch).map_err(broken)?;
        for record in records(&batch, UNPACK_BYTES).map_err(broken)? {
            let record = record.map_err(broken)?;
            let offset = record.offset;
            let value = record.value.unwrap_or_default();
            let text = String::from_utf8_lossy(&value);
            // What is no number of ours is told by a number that was never written.
            let number = text.trim_end().parse().unwrap_or(-1);
            if offset >= from {
                read.push(Read { offset, number });
            }
        }
        next = next.max(header.next_offset());
    }
    Ok((read, next))
}
