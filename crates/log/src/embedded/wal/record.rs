//! Records of the write-ahead log.
//!
//! ```text
//!  0 crc u32 | 4 payload length u32 | 8 lsn u64 | 16 kind u8 | 17 payload
//! kind 1, a batch: 0 partition u64 | 8 segment's base offset i64 | 16 position in the segment u64 | 24 the batch
//! ```
//!
//! The CRC-32C covers the file's salt, everything from the length on, and of a batch only its header: that
//! holds a CRC of the rest, so no byte is summed up twice.

use bytes::BufMut;
use klamm_kafka_proto::records::{BatchHeader, HEADER_BYTES, crc32c};

use crate::LogError;
use crate::embedded::codec::{Input, put_list, put_text, put_texts};
use crate::embedded::manifest::TopicImage;

/// Bytes before the payload.
pub(in crate::embedded) const PREFIX_BYTES: usize = 17;
/// Bytes of a batch record before the batch.
pub(in crate::embedded) const BATCH_PREFIX_BYTES: usize = PREFIX_BYTES + 24;

const BATCH: u8 = 1;
const DIRTY: u8 = 2;
const LOG_START: u8 = 3;
const TOPIC: u8 = 4;
const TOPIC_DELETED: u8 = 5;
const PRODUCER_IDS: u8 = 6;
const START: u8 = 7;

/// Where a batch lies in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) struct Place {
    pub(in crate::embedded) partition: u64,
    pub(in crate::embedded) segment_base: i64,
    pub(in crate::embedded) position: u64,
}

/// Everything but a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::embedded) enum Event {
    /// From here on batches of this partition may be in its segments and not in the write-ahead log.
    Dirty { partition: u64 },
    /// Records before the offset are given up.
    LogStart { partition: u64, offset: i64 },
    /// A topic is now this.
    Topic(TopicImage),
    /// A topic is gone.
    TopicDeleted(uuid::Uuid),
    /// Producer ids below this may have been given out.
    ProducerIds { end: i64 },
    /// The log was opened and stores batches in this leader epoch.
    Start { epoch: i32 },
}

/// A record read back.
#[derive(Debug)]
pub(in crate::embedded) enum Record<'a> {
    Batch(Place, BatchHeader, &'a [u8]),
    Event(Event),
}

fn checksum(salt: u64, head: &[u8], payload: &[u8]) -> u32 {
    let mut covered = [0; 8 + 13 + 24 + HEADER_BYTES];
    covered[..8].copy_from_slice(&salt.to_be_bytes());
    covered[8..21].copy_from_slice(head);
    if let Some(rest) = covered[21..].get_mut(..payload.len()) {
        rest.copy_from_slice(payload);
        return crc32c(&covered[..21 + payload.len()]);
    }
    crc32c(&[&covered[..21], payload].concat())
}

fn prefix(out: &mut Vec<u8>, salt: u64, lsn: u64, kind: u8, length: usize, covered: &[u8]) {
    let mut head = [0; 13];
    head[..4].copy_from_slice(&(length as u32).to_be_bytes());
    head[4..12].copy_from_slice(&lsn.to_be_bytes());
    head[12] = kind;
    out.put_u32(checksum(salt, &head, covered));
    out.extend_from_slice(&head);
}

/// Appends everything of a batch's record but the batch. `head` is the batch's header as it is stored, `length`
/// that of the whole batch.
pub(in crate::embedded) fn put_batch_prefix(
    out: &mut Vec<u8>,
    salt: u64,
    lsn: u64,
    place: Place,
    head: &[u8; HEADER_BYTES],
    length: usize,
) {
    let mut covered = [0; 24 + HEADER_BYTES];
    covered[..8].copy_from_slice(&place.partition.to_be_bytes());
    covered[8..16].copy_from_slice(&place.segment_base.to_be_bytes());
    covered[16..24].copy_from_slice(&place.position.to_be_bytes());
    covered[24..].copy_from_slice(head);
    prefix(out, salt, lsn, BATCH, 24 + length, &covered);
    out.extend_from_slice(&covered[..24]);
}

impl Event {
    /// Appends the whole record.
    pub(in crate::embedded) fn put(&self, out: &mut Vec<u8>, salt: u64, lsn: u64) {
        let mut payload = Vec::new();
        let kind = match self {
            Self::Dirty { partition } => {
                payload.put_u64(*partition);
                DIRTY
            }
            Self::LogStart { partition, offset } => {
                payload.put_u64(*partition);
                payload.put_i64(*offset);
                LOG_START
            }
            Self::Topic(topic) => {
                payload.extend_from_slice(topic.id.as_bytes());
                put_text(&mut payload, &topic.name);
                put_texts(&mut payload, &topic.given);
                put_list(&mut payload, topic.partitions.iter(), |out, n| out.put_u64(*n));
                TOPIC
            }
            Self::TopicDeleted(id) => {
                payload.extend_from_slice(id.as_bytes());
                TOPIC_DELETED
            }
            Self::ProducerIds { end } => {
                payload.put_i64(*end);
                PRODUCER_IDS
            }
            Self::Start { epoch } => {
                payload.put_i32(*epoch);
                START
            }
        };
        prefix(out, salt, lsn, kind, payload.len(), &payload);
        out.extend_from_slice(&payload);
    }

    fn parse(kind: u8, payload: &[u8]) -> Result<Self, LogError> {
        let mut input = Input::new(payload, "a record of the write-ahead log");
        Ok(match kind {
            DIRTY => Self::Dirty { partition: input.u64()? },
            LOG_START => Self::LogStart { partition: input.u64()?, offset: input.i64()? },
            TOPIC => Self::Topic(TopicImage {
                id: input.uuid()?,
                name: input.text()?,
                given: input.texts()?,
                partitions: input.list(Input::u64)?,
            }),
            TOPIC_DELETED => Self::TopicDeleted(input.uuid()?),
            PRODUCER_IDS => Self::ProducerIds { end: input.i64()? },
            START => Self::Start { epoch: input.i32()? },
            _ => return Err(input.corrupt()),
        })
    }
}

/// Length of the record whose first bytes these are, if it may be the one with this number.
pub(in crate::embedded) fn length(bytes: &[u8], lsn: u64) -> Option<usize> {
    let found = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
    let length = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
    (found == lsn).then_some(PREFIX_BYTES + length as usize)
}

/// Reads one whole record. `None` where its checksums say that it was not written whole.
///
/// # Errors
/// [`LogError::Corrupt`] for a record with a good checksum that makes no sense.
pub(in crate::embedded) fn parse(bytes: &[u8], salt: u64) -> Result<Option<Record<'_>>, LogError> {
    let crc = u32::from_be_bytes(bytes[..4].try_into().unwrap_or_default());
    let (head, payload) = bytes[4..].split_at(PREFIX_BYTES - 4);
    if head[12] != BATCH {
        let good = checksum(salt, head, payload) == crc;
        return good.then(|| Event::parse(head[12], payload).map(Record::Event)).transpose();
    }
    let Some(covered) = payload.get(..24 + HEADER_BYTES) else { return Ok(None) };
    if checksum(salt, head, covered) != crc {
        return Ok(None);
    }
    let mut input = Input::new(payload, "a batch in the write-ahead log");
    let place =
        Place { partition: input.u64()?, segment_base: input.i64()?, position: input.u64()? };
    let batch = &payload[24..];
    let header = BatchHeader::parse(batch)?;
    let whole = header.total_bytes() == batch.len() && header.verify(batch).is_ok();
    Ok(whole.then_some(Record::Batch(place, header, batch)))
}
