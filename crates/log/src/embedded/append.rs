//! Admission of a batch: checks, then its offset.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{self, Attributes, BatchHeader, HEADER_BYTES, Validation, crc32c};

use super::config::TopicConfig;
use super::core::Core;
use super::producers::Verdict;
use super::queue::Entry;
use super::store::Store;
use crate::{Durability, LogError, Pending};

/// Bit 3 of a batch's attributes.
const LOG_APPEND_TIME: i16 = 1 << 3;
/// What a compressed batch may unpack to where its records have to be looked at: sixteen times the usual
/// `max.message.bytes`, and the ratio text compresses at.
pub(super) const UNPACKED_BYTES_MAX: usize = 64 << 20; // 64 × 1 MiB

impl Core {
    /// Admits one batch.
    pub(super) fn append(
        &self,
        store: &Arc<Store>,
        batch: Bytes,
        durability: Durability,
    ) -> Result<Pending, LogError> {
        self.accepting()?;
        store.topic.alive()?;
        let config = store.topic.config();
        let now_ms = self.options.clock.now_ms();
        let (header, batch) = check(&config, batch, now_ms)?;
        let bytes = batch.len();
        if !self.budget.take(bytes) {
            return Err(LogError::Full);
        }
        let admitted = self.admit(store, header, &batch, durability, now_ms);
        if admitted.is_err() {
            self.budget.give_back(bytes);
        }
        admitted
    }

    fn admit(
        &self,
        store: &Arc<Store>,
        mut header: BatchHeader,
        batch: &Bytes,
        durability: Durability,
        now_ms: i64,
    ) -> Result<Pending, LogError> {
        let (completion, pending) = Pending::channel();
        let mut admission = store.admission();
        // Looked at under the lock that deletion takes, so that nothing is queued after it.
        store.topic.alive()?;
        let duplicate = match admission.producers.check(&header)? {
            Verdict::Fresh => None,
            Verdict::Duplicate(sent) => Some(sent),
        };
        header.base_offset = admission.next_offset;
        header.partition_leader_epoch = self.epoch;
        if duplicate.is_none() {
            admission.next_offset = header.next_offset();
            admission.producers.record(&header, header.base_offset, now_ms);
        }
        let log_append_time =
            header.attributes.is_log_append_time().then_some(header.max_timestamp);
        let entry = Entry {
            store: store.clone(),
            generation: admission.generation,
            head: header.to_bytes(),
            header,
            body: batch.slice(HEADER_BYTES..),
            duplicate,
            durability,
            log_append_time,
            completion,
        };
        // Within the lock: the queue has each partition's batches in the order of their offsets.
        self.queue.push(entry);
        drop(admission);
        Ok(pending)
    }
}

/// Checks a batch against the topic's configuration; returns it as it will be stored but for offset and epoch.
fn check(
    config: &TopicConfig,
    batch: Bytes,
    now_ms: i64,
) -> Result<(BatchHeader, Bytes), LogError> {
    if batch.len() > config.max_message_bytes {
        return Err(LogError::TooLarge { bytes: batch.len(), max: config.max_message_bytes });
    }
    let header = records::validate(&batch, Validation::default())?;
    if header.attributes.is_transactional() {
        let text = "transactions are not offered by the embedded log yet";
        return Err(LogError::Unsupported(text.to_owned()));
    }
    if config.log_append_time {
        return Ok(stamp(header, &batch, now_ms));
    }
    if header.attributes.is_log_append_time() {
        let text = "a batch with LogAppendTime on a topic with message.timestamp.type=CreateTime";
        return Err(LogError::InvalidRecord(text.to_owned()));
    }
    check_timestamps(config, &header, &batch, now_ms)?;
    Ok((header, batch))
}

fn check_timestamps(
    config: &TopicConfig,
    header: &BatchHeader,
    batch: &Bytes,
    now_ms: i64,
) -> Result<(), LogError> {
    let ahead_ms = header.max_timestamp.saturating_sub(now_ms);
    if ahead_ms > config.timestamp_after_max_ms {
        return Err(LogError::InvalidTimestamp(format!(
            "timestamp {} is {ahead_ms} ms after now; message.timestamp.after.max.ms={}",
            header.max_timestamp, config.timestamp_after_max_ms
        )));
    }
    // The header does not say how old the oldest record is: that is looked up only where it matters.
    if config.timestamp_before_max_ms == i64::MAX {
        return Ok(());
    }
    for record in records::records(batch, UNPACKED_BYTES_MAX)? {
        let timestamp = record?.timestamp;
        let behind_ms = now_ms.saturating_sub(timestamp);
        if behind_ms > config.timestamp_before_max_ms {
            return Err(LogError::InvalidTimestamp(format!(
                "timestamp {timestamp} is {behind_ms} ms before now; message.timestamp.before.max.ms={}",
                config.timestamp_before_max_ms
            )));
        }
    }
    Ok(())
}

/// Gives a batch the log's time.
fn stamp(mut header: BatchHeader, batch: &Bytes, now_ms: i64) -> (BatchHeader, Bytes) {
    header.attributes = Attributes(header.attributes.0 | LOG_APPEND_TIME);
    header.max_timestamp = now_ms;
    let mut bytes = batch.to_vec();
    bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    // The CRC covers all from the attributes on, which begin at 21.
    header.crc = crc32c(&bytes[21..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    (header, bytes.into())
}
