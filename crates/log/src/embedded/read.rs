//! Reading whole batches at an offset.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchHeader, HEADER_BYTES};

use super::Read;
use super::core::Core;
use super::disk::{Open, failed};
use super::store::Store;
use crate::LogError;

/// Read at least: enough for the header and a handful of small batches.
const READ_BYTES_MIN: usize = 4096; // a page

/// Where to look for an offset.
#[derive(Debug, Clone, Copy)]
struct Place {
    base: i64,
    /// Bytes written to the segment.
    bytes: u64,
    /// A batch begins here, at or before the one in question.
    position: u64,
    /// Entries in the index files, if they are to be asked first.
    indexed: Option<(u32, u32)>,
}

/// What a look at some bytes of a segment found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Whole batches, and the offset after them.
    Batches(Range<usize>, i64),
    /// Look again from this byte on, at so many bytes.
    Again { from: usize, bytes: usize },
    /// No batches that belong there.
    Wrong,
}

impl Core {
    /// Reads batches; `None` when that would have to wait for the device and `may_wait` is not set.
    pub(super) fn read(
        &self,
        store: &Arc<Store>,
        offset: i64,
        max_bytes: usize,
        may_wait: bool,
    ) -> Result<Option<Read>, LogError> {
        store.topic.alive()?;
        let high_watermark = store.high_watermark();
        let Some((place, log_start_offset)) = locate(store, offset, high_watermark)? else {
            let log_start_offset = store.log_start();
            return Ok(Some(Read { bytes: Bytes::new(), high_watermark, log_start_offset }));
        };
        let read = self.read_place(store, place, offset, high_watermark, max_bytes, may_wait);
        // While it was read the topic may have been deleted, its name given to another, or the segment dropped.
        store.topic.alive()?;
        match read {
            Ok(Some(bytes)) => Ok(Some(Read { bytes, high_watermark, log_start_offset })),
            Ok(None) => Ok(None),
            Err(error) => {
                locate(store, offset, high_watermark)?;
                Err(failed(format!("reading {}", store.which(place.base).path("log")))(error))
            }
        }
    }

    fn read_place(
        &self,
        store: &Store,
        place: Place,
        offset: i64,
        high_watermark: i64,
        max_bytes: usize,
        may_wait: bool,
    ) -> io::Result<Option<Bytes>> {
        let which = store.which(place.base);
        let open = self.files.open(which, Open::Existing)?;
        let mut position = place.position;
        if let Some(counts) = place.indexed {
            if !may_wait {
                return Ok(None);
            }
            let relative = u32::try_from(offset - place.base).unwrap_or(u32::MAX);
            let index = self.files.index(which, &open, counts)?;
            position = index.position(relative).map_or(0, u64::from);
        }
        let mut want = max_bytes.max(READ_BYTES_MIN);
        // A batch that does not belong here when the index led here: the index is wrong, so it is not asked.
        let mut from_index = position > 0;
        loop {
            let left = place.bytes.checked_sub(position).filter(|left| *left > 0);
            let found = match left {
                None => Found::Wrong,
                Some(left) => {
                    let mut bytes = vec![0; want.min(usize::try_from(left).unwrap_or(usize::MAX))];
                    let count = if may_wait {
                        open.file.read_at(&mut bytes, position)?
                    } else {
                        match open.file.read_cached_at(&mut bytes, position)? {
                            Some(count) => count,
                            None => return Ok(None),
                        }
                    };
                    bytes.truncate(count);
                    let found = select(&bytes, offset, high_watermark, max_bytes);
                    if let Found::Batches(range, next) = found {
                        let end = position + range.end as u64;
                        store.chain().set_hint(offset, next, place.base, end);
                        return Ok(Some(Bytes::from(bytes).slice(range)));
                    }
                    found
                }
            };
            match found {
                Found::Again { from, bytes } => {
                    position += from as u64;
                    want = bytes.max(max_bytes);
                }
                _ if from_index => {
                    from_index = false;
                    position = 0;
                }
                _ => {
                    let text = format!("{} has no batch with offset {offset}", which.path("log"));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
    }
}

/// Where to look for an offset; `None` at the high watermark.
fn locate(
    store: &Store,
    offset: i64,
    high_watermark: i64,
) -> Result<Option<(Place, i64)>, LogError> {
    let chain = store.chain();
    let start = chain.log_start;
    if offset < start || offset > high_watermark {
        return Err(LogError::OffsetOutOfRange { offset, start, end: high_watermark });
    }
    if offset == high_watermark {
        return Ok(None);
    }
    let Some(segment) = chain.segment_of(offset) else {
        return Err(LogError::Corrupt(format!("no segment holds offset {offset}")));
    };
    let place =
        |position, indexed| Place { base: segment.base, bytes: segment.bytes, position, indexed };
    let relative = segment.relative(offset);
    let found = match chain.hint(offset) {
        Some((base, position)) if base == segment.base => place(position, None),
        _ if offset == segment.base => place(0, None),
        _ => match segment.pending.position(relative) {
            Some(position) => place(u64::from(position), None),
            None if segment.indexed.0 > 0 => place(0, Some(segment.indexed)),
            None => place(0, None),
        },
    };
    Ok(Some((found, start)))
}

/// Selects from a segment's bytes, at the start of which a batch begins, the one that holds `offset` and what
/// follows it below `end`.
fn select(bytes: &[u8], offset: i64, end: i64, max_bytes: usize) -> Found {
    let mut at = 0;
    let mut from = None;
    let mut next = offset;
    while let Some(header) = bytes.get(at..at + HEADER_BYTES) {
        let Ok(header) = BatchHeader::parse(header) else { return Found::Wrong };
        let until = at + header.total_bytes();
        if header.base_offset >= end || (from.is_none() && header.base_offset > offset) {
            break;
        }
        if header.last_offset() < offset {
            at = until;
            continue;
        }
        let start = *from.get_or_insert(at);
        if until > bytes.len() || (at > start && until - start > max_bytes) {
            if at == start {
                return Found::Again { from: start, bytes: until - start };
            }
            break;
        }
        at = until;
        next = header.next_offset();
    }
    match from {
        Some(start) => Found::Batches(start..at, next),
        // Nothing but earlier batches so far.
        None if at > 0 && at + HEADER_BYTES > bytes.len() => Found::Again { from: at, bytes: 0 },
        None => Found::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use klamm_kafka_proto::records::BatchBuilder;

    use super::*;

    /// Batches of two records each, from offset 10 on.
    fn segment(count: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..count {
            let mut builder = BatchBuilder::new();
            builder.append(0, None, Some(b"a"), &[]);
            builder.append(0, None, Some(b"b"), &[]);
            let mut batch = builder.build().to_vec();
            BatchHeader::patch(&mut batch, 10 + number * 2, 0);
            bytes.extend_from_slice(&batch);
        }
        bytes
    }

    #[test]
    fn whole_batches_from_the_one_that_holds_the_offset() {
        let bytes = segment(4);
        let one = bytes.len() / 4;
        assert_eq!(select(&bytes, 10, 18, 1), Found::Batches(0..one, 12));
        assert_eq!(select(&bytes, 13, 18, 1000), Found::Batches(one..4 * one, 18));
        assert_eq!(select(&bytes, 13, 18, 2 * one), Found::Batches(one..3 * one, 16));
        assert_eq!(select(&bytes, 13, 16, 1000), Found::Batches(one..3 * one, 16), "below the end");
        assert_eq!(select(&bytes, 9, 18, 1000), Found::Wrong);
        assert_eq!(select(&[0; 200], 9, 18, 1000), Found::Wrong);
    }

    #[test]
    fn batch_cut_by_the_window_is_looked_at_again() {
        let bytes = segment(2);
        let one = bytes.len() / 2;
        let again = |from, bytes| Found::Again { from, bytes };
        assert_eq!(select(&bytes[..one - 1], 10, 14, 1000), again(0, one));
        assert_eq!(select(&bytes[..one + 5], 12, 14, 1000), again(one, 0));
        assert_eq!(select(&bytes[..one + 61], 12, 14, 1000), again(one, one));
        assert_eq!(select(&bytes[..one + 61], 10, 14, 1000), Found::Batches(0..one, 12));
        assert_eq!(select(&bytes[..40], 12, 14, 1000), Found::Wrong, "not even a header");
    }
}
