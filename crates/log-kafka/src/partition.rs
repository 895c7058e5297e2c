//! One partition of a topic in the cluster.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka_proto::records::BatchHeader;
use klamm_log::{
    BoxFuture, Durability, LogError, OffsetSpec, Partition, Pending, Position, Reader,
    TimestampedOffset,
};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::error::{About, log_error};
use crate::lanes::Key;
use crate::log::Inner;
use crate::reader::KafkaReader;
use crate::topics::LOOK;

/// How long opening waits for a leader: a new partition has one within a second, also on a busy broker.
const LED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct KafkaPartition {
    pub(crate) log: Arc<Inner>,
    pub(crate) topic: Arc<str>,
    pub(crate) index: u32,
    /// The topic's `max.message.bytes` when the partition was opened, if the cluster tells.
    pub(crate) max_message_bytes: Option<usize>,
    /// Held while a batch's records are handed over, so that no other's come between them.
    pub(crate) order: Mutex<()>,
    pub(crate) itself: std::sync::Weak<Self>,
}

impl KafkaPartition {
    pub(crate) fn key(&self) -> Key {
        (Arc::clone(&self.topic), self.index)
    }

    pub(crate) fn about(&self) -> About<'_> {
        About { topic: &self.topic, timeout_ms: self.log.request_timeout_ms() }
    }

    /// First offset kept, and offset of the next record that readers will see. A broker that was made leader a moment
    /// ago does not know it yet, so it is asked again for a while.
    pub(crate) async fn watermarks(&self) -> Result<(i64, i64), LogError> {
        let asking = async {
            loop {
                match self.watermarks_of_leader().await? {
                    Some(found) => return Ok(found),
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let timeout = self.log.options.request_timeout;
        let found = tokio::time::timeout(timeout, asking).await;
        found.unwrap_or(Err(LogError::Timeout(timeout.as_millis() as u64)))
    }

    /// Waits a while for the leader to answer, before the first append. A broker names itself leader of a new partition
    /// before it takes records for it: of two requests under way, it may refuse the first and take the second, and Kafka
    /// takes any first sequence number of a producer it does not know (KAFKA-14359). A first batch was once seen to be
    /// acknowledged and not stored on a topic just made; that it came about this way is inferred, not shown. A partition
    /// that stays without a leader is opened all the same: appends wait in the queue.
    pub(crate) async fn led(&self) {
        if tokio::time::timeout(LED, self.watermarks()).await.is_err() {
            tracing::debug!(topic = %self.topic, partition = self.index, "nobody leads it yet");
        }
    }

    /// `None` while nobody leads the partition.
    async fn watermarks_of_leader(&self) -> Result<Option<(i64, i64)>, LogError> {
        let (topic, index) = self.key();
        self.log
            .ask(self.about(), move |consumer, timeout| {
                let asked = || consumer.fetch_watermarks(&topic, index as i32, timeout);
                let error = match asked() {
                    Ok(found) => return Ok(Some(found)),
                    Err(error) => error,
                };
                match error.rdkafka_error_code() {
                    Some(
                        Code::LeaderNotAvailable
                        | Code::NotLeaderForPartition
                        | Code::FencedLeaderEpoch
                        | Code::UnknownLeaderEpoch,
                    ) => Ok(None),
                    // Perhaps made again since this handle last looked: metadata it asks for, it learns from.
                    Some(
                        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition,
                    ) => {
                        consumer.fetch_metadata(Some(&topic), timeout)?;
                        asked().map(Some)
                    }
                    _ => Err(error),
                }
            })
            .await
    }

    async fn open(&self, from: Position) -> Result<Box<dyn Reader>, LogError> {
        let this = self.itself.upgrade().ok_or(LogError::Closed)?;
        let (start, end) = self.watermarks().await?;
        let position = match from {
            Position::Earliest => start,
            Position::Latest => end,
            Position::Offset(offset) if (start..=end).contains(&offset) => offset,
            Position::Offset(offset) => {
                return Err(LogError::OffsetOutOfRange { offset, start, end });
            }
        };
        let mut reader = KafkaReader::new(this, position);
        reader.open().await?;
        Ok(Box::new(reader))
    }

    async fn offset_at(&self, timestamp: i64) -> Result<TimestampedOffset, LogError> {
        const NONE: TimestampedOffset = TimestampedOffset { offset: -1, timestamp: -1 };
        let (topic, index) = self.key();
        let found = self.log.ask(self.about(), move |consumer, timeout| {
            let mut question = TopicPartitionList::new();
            // librdkafka cannot say a negative time; nothing is older than 1970.
            let at = Offset::Offset(timestamp.max(0));
            question.add_partition_offset(&topic, index as i32, at)?;
            let answer = consumer.offsets_for_times(question, timeout)?;
            let element = answer.find_partition(&topic, index as i32);
            element.map_or(Ok(Offset::End), |e| e.error().map(|()| e.offset()))
        });
        let Offset::Offset(offset) = found.await? else { return Ok(NONE) };
        // The answer leaves the timestamp out; the record has it.
        let mut reader = self.open(Position::Offset(offset)).await?;
        let timeout = self.log.options.request_timeout;
        let batch = tokio::time::timeout(timeout, reader.next(1)).await;
        let batch = batch.map_err(|_| LogError::Timeout(timeout.as_millis() as u64))??;
        let header = BatchHeader::parse(&batch)?;
        Ok(TimestampedOffset { offset: header.base_offset, timestamp: header.base_timestamp })
    }

    async fn delete(&self, before: i64) -> Result<i64, LogError> {
        let mut list = TopicPartitionList::new();
        let offset = if before == -1 { Offset::End } else { Offset::Offset(before) };
        list.add_partition_offset(&self.topic, self.index as i32, offset)
            .map_err(|error| log_error(&error, self.about()))?;
        match self.log.delete_records(&self.topic, self.index, &list).await {
            Err(LogError::OffsetOutOfRange { .. }) => {
                let (start, end) = self.watermarks().await?;
                Err(LogError::OffsetOutOfRange { offset: before, start, end })
            }
            other => other,
        }
    }
}

impl Partition for KafkaPartition {
    fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn index(&self) -> u32 {
        self.index
    }

    /// Every append waits for all in-sync replicas, also under [`Durability::Written`]: an idempotent producer
    /// knows no less.
    fn append(&self, batch: Bytes, _: Durability) -> Result<Pending, LogError> {
        self.log.producer.append(self, &batch)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.log.producer.ready())
    }

    fn reader(&self, from: Position) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        Box::pin(self.open(from))
    }

    fn list_offset(&self, spec: OffsetSpec) -> BoxFuture<'_, Result<TimestampedOffset, LogError>> {
        let plain = |offset| TimestampedOffset { offset, timestamp: -1 };
        Box::pin(async move {
            match spec {
                OffsetSpec::Earliest => Ok(plain(self.watermarks().await?.0)),
                OffsetSpec::Latest => Ok(plain(self.watermarks().await?.1)),
                OffsetSpec::Timestamp(timestamp) => self.offset_at(timestamp).await,
                OffsetSpec::MaxTimestamp => Err(LogError::Unsupported(
                    "the client library cannot ask Apache Kafka for the largest timestamp"
                        .to_owned(),
                )),
            }
        })
    }

    fn delete_records(&self, before: i64) -> BoxFuture<'_, Result<i64, LogError>> {
        Box::pin(self.delete(before))
    }
}
