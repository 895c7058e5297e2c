//! One record: its fields and their order in a batch's body.
//!
//! ```text
//! length varint | attributes i8 | timestampDelta varlong | offsetDelta varint
//! keyLength varint, key | valueLength varint, value | headersCount varint
//! [ keyLength varint, key | valueLength varint, value ] ...
//! ```

use bytes::Bytes;

use super::BatchError;
use super::varint::Cursor;

/// A record header: an ordered list of these may hold a key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// UTF-8 by Kafka's rules, but nobody enforces it.
    pub key: Bytes,
    /// Null and empty are different.
    pub value: Option<Bytes>,
}

/// A record. Its byte fields are slices of the batch when that is not compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; the log's time for `LogAppendTime` batches.
    pub timestamp: i64,
    /// Null and empty are different.
    pub key: Option<Bytes>,
    /// Null (a tombstone on compacted topics) and empty are different.
    pub value: Option<Bytes>,
    /// In order, duplicates kept.
    pub headers: Vec<Header>,
}

/// Smallest header: two lengths of one byte.
const HEADER_BYTES_MIN: usize = 2; // key length 0, value length -1

/// Where the fields of one record lie, without anything allocated.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<std::ops::Range<usize>>,
    pub(super) value: Option<std::ops::Range<usize>>,
    pub(super) headers_count: usize,
    /// Where the first header begins.
    pub(super) headers_at: usize,
    /// Where the record ends.
    pub(super) end: usize,
}

fn span(cursor: &mut Cursor<'_>) -> Result<Option<std::ops::Range<usize>>, BatchError> {
    let Some(length) = cursor.length()? else { return Ok(None) };
    let from = cursor.position();
    cursor.skip(length)?;
    Ok(Some(from..from + length))
}

impl Fields {
    /// Reads the record at the cursor and checks that each length stays within it.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, BatchError> {
        let length = cursor.length()?.ok_or(BatchError::Field("record length"))?;
        let end = cursor.position() + length;
        let _attributes = cursor.u8()?;
        let timestamp_delta = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        let key = span(cursor)?;
        let value = span(cursor)?;
        let count = cursor.varint()?;
        let headers_at = cursor.position();
        let left = end.checked_sub(headers_at).ok_or(BatchError::Field("record length"))?;
        let headers_count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= left / HEADER_BYTES_MIN)
            .ok_or(BatchError::Field("header count"))?;
        for _ in 0..headers_count {
            span(cursor)?.ok_or(BatchError::Field("header key"))?;
            span(cursor)?;
        }
        if cursor.position() != end {
            return Err(BatchError::Field("record length"));
        }
        Ok(Self { timestamp_delta, offset_delta, key, value, headers_count, headers_at, end })
    }

    /// The headers as slices of `body`, which [`Fields::read`] has checked.
    pub(super) fn headers(&self, body: &Bytes) -> Result<Vec<Header>, BatchError> {
        let mut cursor = Cursor::new(body);
        cursor.skip(self.headers_at)?;
        let mut headers = Vec::with_capacity(self.headers_count);
        for _ in 0..self.headers_count {
            let key = span(&mut cursor)?.ok_or(BatchError::Field("header key"))?;
            let value = span(&mut cursor)?;
            headers.push(Header { key: body.slice(key), value: value.map(|v| body.slice(v)) });
        }
        Ok(headers)
    }
}
