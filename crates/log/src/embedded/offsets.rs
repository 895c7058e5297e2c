//! ListOffsets: from a timestamp to an offset.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{self, BatchHeader};

use super::append::UNPACKED_BYTES_MAX;
use super::core::Core;
use super::disk::{Open, failed};
use super::store::Store;
use crate::{LogError, OffsetSpec, TimestampedOffset};

/// Read at a time while batches are looked through.
const READ_BYTES: usize = 256 << 10;

const NONE: TimestampedOffset = TimestampedOffset { offset: -1, timestamp: -1 };

/// A segment as far as timestamps go.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    base: i64,
    end: i64,
    largest: (i64, i64),
    indexed: (u32, u32),
    /// From the entries that are not in the index file yet.
    pending: Option<i64>,
}

impl Core {
    /// Answers a question for an offset; may wait for the device.
    pub(super) fn list_offset(
        &self,
        store: &Arc<Store>,
        spec: OffsetSpec,
    ) -> Result<TimestampedOffset, LogError> {
        store.topic.alive()?;
        let plain = |offset| TimestampedOffset { offset, timestamp: -1 };
        match spec {
            OffsetSpec::Earliest => Ok(plain(store.log_start())),
            OffsetSpec::Latest => Ok(plain(store.high_watermark())),
            OffsetSpec::Timestamp(timestamp) => self.first_from(store, timestamp),
            OffsetSpec::MaxTimestamp => {
                let largest = self.largest_timestamp(store)?;
                largest.map_or(Ok(NONE), |timestamp| self.first_from(store, timestamp))
            }
        }
    }

    /// First record with the timestamp or a later one.
    fn first_from(
        &self,
        store: &Arc<Store>,
        timestamp: i64,
    ) -> Result<TimestampedOffset, LogError> {
        for candidate in candidates(store, timestamp) {
            if candidate.largest.0 < timestamp {
                continue;
            }
            let from = match candidate.pending {
                Some(offset) => offset,
                None => self.indexed_offset(store, candidate, timestamp)?,
            };
            let mut found = None;
            self.walk(store, from, candidate.end, |header, batch| {
                if header.max_timestamp >= timestamp {
                    found = first_in(store, &header, &batch, timestamp);
                }
                found.is_none()
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(NONE)
    }

    /// An offset at or before the first record with the timestamp, by the segment's index file.
    fn indexed_offset(
        &self,
        store: &Store,
        candidate: Candidate,
        timestamp: i64,
    ) -> Result<i64, LogError> {
        if candidate.indexed.1 == 0 {
            return Ok(candidate.base);
        }
        let which = store.which(candidate.base);
        let open = self.files.open(which, Open::Existing);
        let index = open.and_then(|open| self.files.index(which, &open, candidate.indexed));
        let index = index.map_err(failed("reading an index"))?;
        Ok(candidate.base + i64::from(index.offset_before(timestamp).unwrap_or(0)))
    }

    /// Largest timestamp that readers can see.
    fn largest_timestamp(&self, store: &Arc<Store>) -> Result<Option<i64>, LogError> {
        let high_watermark = store.high_watermark();
        let mut largest: Option<i64> = None;
        for candidate in candidates(store, i64::MAX) {
            if candidate.base >= high_watermark || largest.is_some_and(|l| candidate.largest.0 <= l)
            {
                continue;
            }
            if candidate.largest.1 < high_watermark && candidate.base >= store.log_start() {
                largest = Some(candidate.largest.0);
                continue;
            }
            // The one it knows of may be hidden, or deleted.
            let start = store.log_start();
            self.walk(store, candidate.base, candidate.end, |header, batch| {
                let found = if header.base_offset < start {
                    largest_in(&batch, start)
                } else {
                    Some(header.max_timestamp)
                };
                largest = largest.max(found);
                true
            })?;
        }
        Ok(largest)
    }

    /// Shows `see` the batches that hold offsets from `from` to `end`, as far as readers can see them and until
    /// it says `false`.
    fn walk(
        &self,
        store: &Arc<Store>,
        from: i64,
        end: i64,
        mut see: impl FnMut(BatchHeader, Bytes) -> bool,
    ) -> Result<(), LogError> {
        let mut at = from.max(store.log_start());
        while at < end.min(store.high_watermark()) {
            let read = match self.read(store, at, READ_BYTES, true) {
                // Retention was quicker.
                Err(LogError::OffsetOutOfRange { start, .. }) if at < start => {
                    at = start;
                    continue;
                }
                read => read?,
            };
            let Some(read) = read else { return Ok(()) };
            for batch in records::batches(read.bytes) {
                let (header, batch) = batch?;
                at = header.next_offset();
                if !see(header, batch) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn candidates(store: &Store, timestamp: i64) -> Vec<Candidate> {
    let chain = store.chain();
    let ends = chain.segments.iter().skip(1).map(|next| next.base).chain([chain.end]);
    let candidate = |(segment, end): (&super::chain::Segment, i64)| Candidate {
        base: segment.base,
        end,
        largest: segment.largest,
        indexed: segment.indexed,
        pending: segment
            .pending
            .offset_before(timestamp)
            .map(|relative| segment.base + i64::from(relative)),
    };
    chain.segments.iter().zip(ends).map(candidate).collect()
}

/// Largest timestamp of a batch's records from an offset on.
fn largest_in(batch: &Bytes, start: i64) -> Option<i64> {
    let records = records::records(batch, UNPACKED_BYTES_MAX).ok()?.map_while(Result::ok);
    records.filter(|record| record.offset >= start).map(|record| record.timestamp).max()
}

/// The exact record within a batch. One that cannot be unpacked is answered with its first offset.
fn first_in(
    store: &Store,
    header: &BatchHeader,
    batch: &Bytes,
    timestamp: i64,
) -> Option<TimestampedOffset> {
    let start = store.log_start();
    let Ok(records) = records::records(batch, UNPACKED_BYTES_MAX) else {
        let offset = header.base_offset.max(start);
        return Some(TimestampedOffset { offset, timestamp: header.max_timestamp });
    };
    let mut records = records.map_while(Result::ok);
    let found = records.find(|record| record.timestamp >= timestamp && record.offset >= start)?;
    Some(TimestampedOffset { offset: found.offset, timestamp: found.timestamp })
}
