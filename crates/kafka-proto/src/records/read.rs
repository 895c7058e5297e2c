//! Reading: batches out of bytes, records out of a batch.

use bytes::Bytes;

use super::record::Fields;
use super::varint::Cursor;
use super::{BatchError, BatchHeader, Compression, HEADER_BYTES, Record, compression};

/// Walks batches that lie back to back. A batch cut short at the end, as Fetch may return it, ends the walk
/// with [`BatchError::Truncated`].
pub fn batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes }
}

/// See [`batches`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Iterator for Batches {
    type Item = Result<(BatchHeader, Bytes), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = BatchHeader::parse(&self.rest).and_then(|header| {
            let need = header.total_bytes();
            if self.rest.len() < need {
                return Err(BatchError::Truncated { have: self.rest.len(), need });
            }
            Ok((header, self.rest.split_to(need)))
        });
        if found.is_err() {
            self.rest = Bytes::new();
        }
        Some(found)
    }
}

/// The records of one batch, whose CRC the caller has checked or trusts. Unpacks it if need be, to no more
/// than `limit_bytes`.
///
/// # Errors
/// Whatever makes the batch unreadable as a whole; a single record's faults come from the iterator, which ends
/// after the first.
pub fn records(batch: &Bytes, limit_bytes: usize) -> Result<Records, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let need = header.total_bytes();
    if batch.len() < need {
        return Err(BatchError::Truncated { have: batch.len(), need });
    }
    let body = batch.slice(HEADER_BYTES..need);
    let body = match header.attributes.compression()? {
        Compression::None => body,
        codec => compression::unpack(codec, &body, limit_bytes)?.into(),
    };
    Ok(Records { header, body, at: 0, left: header.records_count as usize })
}

/// See [`records`].
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    body: Bytes,
    at: usize,
    left: usize,
}

impl Records {
    fn read(&mut self) -> Result<Record, BatchError> {
        let mut cursor = Cursor::new(&self.body);
        cursor.skip(self.at)?;
        let fields = Fields::read(&mut cursor)?;
        self.at = fields.end;
        let timestamp = if self.header.attributes.is_log_append_time() {
            self.header.max_timestamp
        } else {
            self.header.base_timestamp.wrapping_add(fields.timestamp_delta)
        };
        Ok(Record {
            offset: self.header.base_offset.wrapping_add(i64::from(fields.offset_delta)),
            timestamp,
            key: fields.key.clone().map(|key| self.body.slice(key)),
            value: fields.value.clone().map(|value| self.body.slice(value)),
            headers: fields.headers(&self.body)?,
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let record = self.read();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }
}

/// How closely [`validate`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validation {
    /// Each record must have a key (compacted topics).
    pub keys: bool,
    /// Unpack compressed batches too, to no more than this many bytes.
    pub unpack_limit_bytes: Option<usize>,
}

/// Checks a producer's batch before a log takes it: length and CRC, one offset for each record, sensible producer
/// fields, and where it is not compressed (or asked for) that the records are what the header says. Nothing is
/// allocated for a batch that is not compressed.
///
/// # Errors
/// The first fault found.
pub fn validate(batch: &[u8], how: Validation) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    if batch.len() > header.total_bytes() {
        return Err(BatchError::Field("length: more than one batch"));
    }
    header.verify(batch)?;
    if header.records_count == 0 || header.records_count - 1 != header.last_offset_delta {
        return Err(BatchError::Field("record count"));
    }
    if header.attributes.is_control() {
        return Err(BatchError::Field("control attribute: only a broker writes control records"));
    }
    let idempotent = header.producer_id >= 0;
    if idempotent && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(BatchError::Field("producer epoch or sequence"));
    }
    let body = &batch[HEADER_BYTES..];
    match (header.attributes.compression()?, how.unpack_limit_bytes) {
        (Compression::None, _) => walk(&header, body, how.keys)?,
        (codec, Some(limit)) => {
            walk(&header, &compression::unpack(codec, body, limit)?, how.keys)?;
        }
        (_, None) => {}
    }
    Ok(header)
}

fn walk(header: &BatchHeader, body: &[u8], keys: bool) -> Result<(), BatchError> {
    let mut cursor = Cursor::new(body);
    for expected in 0..header.records_count {
        let fields = Fields::read(&mut cursor)?;
        if fields.offset_delta != expected {
            return Err(BatchError::Field("offset delta"));
        }
        if keys && fields.key.is_none() {
            return Err(BatchError::Field("record without a key on a compacted topic"));
        }
    }
    if cursor.remaining() == 0 { Ok(()) } else { Err(BatchError::Field("record count")) }
}
