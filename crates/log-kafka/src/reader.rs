//! A cursor: records of one partition, put into batches again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchBuilder, Header};
use klamm_log::{BoxFuture, LogError, Reader};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Message, OwnedMessage};
use tokio::sync::Notify;

use crate::convert;
use crate::error::log_error;
use crate::lanes::{Lease, Slot};
use crate::partition::KafkaPartition;

pub(crate) struct KafkaReader {
    partition: Arc<KafkaPartition>,
    /// Offset of the next record to yield.
    position: i64,
    lease: Option<Lease>,
    /// Taken from the queue, but too large for the batch that was yielded last.
    carry: Option<OwnedMessage>,
    /// Comes after the batch that was yielded last.
    failed: Option<KafkaError>,
    wake: Arc<Notify>,
}

impl KafkaReader {
    pub(crate) fn new(partition: Arc<KafkaPartition>, position: i64) -> Self {
        Self {
            partition,
            position,
            lease: None,
            carry: None,
            failed: None,
            wake: Arc::new(Notify::new()),
        }
    }

    /// Takes a place where records arrive. Without a call they do not.
    pub(crate) async fn open(&mut self) -> Result<(), LogError> {
        let lanes = &self.partition.log.lanes;
        let lease = lanes.acquire(&self.partition.key(), self.position, &self.wake).await?;
        self.carry = None;
        self.lease = Some(lease);
        Ok(())
    }

    async fn read(&mut self, max_bytes: usize) -> Result<Bytes, LogError> {
        loop {
            if let Some(error) = self.failed.clone() {
                let error = self.explain(&error).await;
                self.failed = None;
                return Err(error);
            }
            if self.partition.log.lanes.is_closed() {
                return Err(LogError::Closed);
            }
            if self.lease.as_ref().is_none_or(Lease::was_taken_away) {
                self.lease = None;
                self.open().await?;
            }
            let Some(lease) = &self.lease else { continue };
            let slot = Arc::clone(lease.slot());
            let _call = lease.call();
            // No `await` between here and the return: what was taken from the queue is always yielded.
            if let Some(batch) = self.take(&slot, max_bytes) {
                self.partition.log.health.reached();
                return Ok(batch);
            }
            if self.failed.is_none() {
                self.wake.notified().await;
            }
        }
    }

    /// One batch of what has arrived.
    fn take(&mut self, slot: &Slot, max_bytes: usize) -> Option<Bytes> {
        let queue = slot.queue();
        let queue = queue.as_ref()?;
        let mut batch =
            Batch { builder: BatchBuilder::new(), first: 0, next: self.position, max_bytes };
        if let Some(carry) = self.carry.take() {
            batch.put(&carry, &convert::headers(&carry));
        }
        loop {
            match queue.poll(Duration::ZERO) {
                None => break,
                // Fetched for an earlier reader on this lane.
                Some(Ok(message)) if message.offset() < batch.next => {}
                Some(Ok(message)) => {
                    let headers = convert::headers(&message);
                    if !batch.has_room_for(&message, &headers) {
                        self.carry = Some(message.detach());
                        break;
                    }
                    batch.put(&message, &headers);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => slot.set_at_end(true),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        if batch.builder.is_empty() {
            return None;
        }
        slot.set_at_end(false);
        self.position = batch.next;
        Some(batch.builder.build())
    }

    /// The error in the log's words. After it the partition is assigned anew: librdkafka reads on from none of them.
    async fn explain(&mut self, error: &KafkaError) -> LogError {
        self.lease = None;
        let about = self.partition.about();
        if !matches!(
            error.rdkafka_error_code(),
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange)
        ) {
            return log_error(error, about);
        }
        match self.partition.watermarks().await {
            Ok((start, end)) if self.position < start || self.position > end => {
                LogError::OffsetOutOfRange { offset: self.position, start, end }
            }
            Ok(_) => LogError::Unavailable(format!(
                "topic '{}': the cluster had no offset {} for a moment",
                about.topic, self.position
            )),
            Err(error) => error,
        }
    }
}

impl Reader for KafkaReader {
    fn position(&self) -> i64 {
        self.position
    }

    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Bytes, LogError>> {
        Box::pin(self.read(max_bytes))
    }
}

impl std::fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaReader")
            .field("topic", &self.partition.topic)
            .field("partition", &self.partition.index)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A batch in the making.
struct Batch {
    builder: BatchBuilder,
    first: i64,
    next: i64,
    max_bytes: usize,
}

impl Batch {
    fn has_room_for(&self, message: &impl Message, headers: &[Header]) -> bool {
        if self.builder.is_empty() {
            return true;
        }
        // Offsets of a batch lie within 2^31 of its first.
        message.offset() - self.first <= i64::from(i32::MAX)
            && self.builder.len_bytes() + convert::bytes_max(message, headers) <= self.max_bytes
    }

    fn put(&mut self, message: &impl Message, headers: &[Header]) {
        if self.builder.is_empty() {
            self.first = message.offset();
        }
        convert::append(&mut self.builder, message, headers);
        self.next = message.offset() + 1;
    }
}
