//! A message of librdkafka as a record of a batch.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchBuilder, Header};
use rdkafka::message::{Headers, Message};

/// Lengths, deltas and attributes of a record: five numbers of at most 10 bytes, one byte.
const RECORD_BYTES: usize = 51;
/// Two lengths of a header.
const HEADER_BYTES: usize = 10;

/// What the record takes in a batch at most.
pub(crate) fn bytes_max(message: &impl Message, headers: &[Header]) -> usize {
    let bytes = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
    let headers = headers.iter().map(|header| {
        HEADER_BYTES + header.key.len() + header.value.as_ref().map_or(0, Bytes::len)
    });
    RECORD_BYTES + bytes(message.key()) + bytes(message.payload()) + headers.sum::<usize>()
}

/// Adds it with its offset, timestamp, key and value.
pub(crate) fn append(builder: &mut BatchBuilder, message: &impl Message, headers: &[Header]) {
    let timestamp = message.timestamp().to_millis().unwrap_or(-1);
    builder.append_at(message.offset(), timestamp, message.key(), message.payload(), headers);
}

/// In order, duplicates and nulls kept. Their bytes are copied into one piece.
pub(crate) fn headers(message: &impl Message) -> Vec<Header> {
    let Some(found) = message.headers() else { return Vec::new() };
    let mut bytes = Vec::new();
    let mut ranges: Vec<(Range<usize>, Option<Range<usize>>)> = Vec::with_capacity(found.count());
    for index in 0..found.count() {
        // rdkafka panics on a key that is not UTF-8, which any producer may have sent. Such a header is left out.
        let Ok(Some(header)) = catch_unwind(AssertUnwindSafe(|| found.try_get(index))) else {
            continue;
        };
        let key = put(&mut bytes, header.key.as_bytes());
        ranges.push((key, header.value.map(|value| put(&mut bytes, value))));
    }
    let bytes = Bytes::from(bytes);
    let header = |(key, value): (Range<usize>, Option<Range<usize>>)| Header {
        key: bytes.slice(key),
        value: value.map(|value| bytes.slice(value)),
    };
    ranges.into_iter().map(header).collect()
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let from = to.len();
    to.extend_from_slice(bytes);
    from..to.len()
}
