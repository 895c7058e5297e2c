//! Writing: records into a batch.

use bytes::Bytes;

use super::header::crc32c_of_batch;
use super::{Attributes, BatchHeader, Compression, HEADER_BYTES, Header, compression, varint};

/// An idempotent producer's fields of a batch (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// From InitProducerId.
    pub id: i64,
    /// From InitProducerId.
    pub epoch: i16,
    /// Sequence number of the first record.
    pub base_sequence: i32,
}

/// Puts records into one batch.
///
/// ```
/// use klamm_kafka_proto::records::{BatchBuilder, records};
///
/// let mut builder = BatchBuilder::new();
/// builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
/// let batch = builder.build();
/// let record = records(&batch, 1024).unwrap().next().unwrap().unwrap();
/// assert_eq!(record.value.as_deref(), Some(&b"value"[..]));
/// ```
#[derive(Debug, Clone, Default)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    compression: Compression,
    producer: Option<Producer>,
    base_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
    count: i32,
}

impl BatchBuilder {
    /// An empty batch without compression or producer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Packs the records when the batch is built.
    #[must_use]
    pub fn compression(mut self, codec: Compression) -> Self {
        self.compression = codec;
        self
    }

    /// Names the idempotent producer.
    #[must_use]
    pub fn producer(mut self, producer: Producer) -> Self {
        self.producer = Some(producer);
        self
    }

    /// Records put in so far.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Bytes of the batch as it stands, before compression.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len().max(HEADER_BYTES)
    }

    /// No record is in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record at the offset after the last one's.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        let delta = if self.count == 0 { 0 } else { self.last_offset_delta + 1 };
        self.put(delta, timestamp, key, value, headers);
    }

    /// Adds a record with the offset it already has, when a batch is rebuilt from records read elsewhere. Offsets
    /// grow; gaps are kept.
    ///
    /// # Panics
    /// When the offset is not above the one before, or 2^31 above the first: a caller's mistake.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        if self.count == 0 {
            self.base_offset = offset;
        }
        let delta = i32::try_from(offset - self.base_offset).expect("offsets within 2^31");
        assert!(self.count == 0 || delta > self.last_offset_delta, "offsets grow");
        self.put(delta, timestamp, key, value, headers);
    }

    fn put(
        &mut self,
        delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        if self.count == 0 {
            self.bytes.resize(HEADER_BYTES, 0);
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let field = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => varint::length(bytes.len() as i64) + bytes.len(),
            None => 1,
        };
        let headers_bytes: usize =
            headers.iter().map(|h| field(Some(&h.key)) + field(h.value.as_deref())).sum();
        let length = 1
            + varint::length(timestamp_delta)
            + varint::length(i64::from(delta))
            + field(key)
            + field(value)
            + varint::length(headers.len() as i64)
            + headers_bytes;
        let out = &mut self.bytes;
        varint::put(out, length as i64);
        out.push(0);
        varint::put(out, timestamp_delta);
        varint::put(out, i64::from(delta));
        put_field(out, key);
        put_field(out, value);
        varint::put(out, headers.len() as i64);
        for header in headers {
            put_field(out, Some(&header.key));
            put_field(out, header.value.as_deref());
        }
        self.last_offset_delta = delta;
        self.count += 1;
    }

    /// The batch's bytes, and an empty builder with the same compression and producer.
    ///
    /// # Panics
    /// When no record was put in: a batch has at least one.
    pub fn build(&mut self) -> Bytes {
        assert!(self.count > 0, "a batch has at least one record");
        let mut batch = std::mem::take(&mut self.bytes);
        if self.compression != Compression::None {
            self.scratch.clear();
            self.scratch.extend_from_slice(&batch[..HEADER_BYTES]);
            compression::pack(self.compression, &batch[HEADER_BYTES..], &mut self.scratch);
            std::mem::swap(&mut batch, &mut self.scratch);
        }
        let producer = self.producer;
        let header = BatchHeader {
            base_offset: self.base_offset,
            batch_length: (batch.len() - 12) as i32,
            partition_leader_epoch: -1,
            crc: 0,
            attributes: Attributes(self.compression as i16),
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: producer.map_or(-1, |p| p.id),
            producer_epoch: producer.map_or(-1, |p| p.epoch),
            base_sequence: producer.map_or(-1, |p| p.base_sequence),
            records_count: self.count,
        };
        batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        let crc = crc32c_of_batch(&batch);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        if let Some(producer) = &mut self.producer {
            // Sequence numbers wrap from 2^31-1 to 0.
            let next = i64::from(producer.base_sequence) + i64::from(self.last_offset_delta) + 1;
            producer.base_sequence = (next % (1 << 31)) as i32;
        }
        self.base_offset = 0;
        self.last_offset_delta = 0;
        self.count = 0;
        batch.into()
    }
}

fn put_field(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => varint::put(out, -1),
    }
}
