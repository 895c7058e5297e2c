//! A partition's segments, as they are written.

use std::collections::VecDeque;

use bytes::BufMut;
use klamm_kafka_proto::records::BatchHeader;

use super::codec::Input;
use super::epochs::Epochs;
use super::index::Index;
use crate::LogError;

/// Places of recent reads that are remembered for each partition: consumers go on where they were, and a handful of
/// groups follow a partition at a time.
const HINTS_MAX: usize = 4; // 24 bytes each

/// One segment file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    /// Offset of its first record, and its name.
    pub(super) base: i64,
    pub(super) bytes: u64,
    /// Largest timestamp, and the last offset of the batch that has it.
    pub(super) largest: (i64, i64),
    /// When the log began it, and last wrote to it.
    pub(super) created_ms: i64,
    pub(super) modified_ms: i64,
    /// Entries in the index files.
    pub(super) indexed: (u32, u32),
    /// Entries not in the index files yet.
    pub(super) pending: Index,
    /// Bytes since the last index entry.
    pub(super) unindexed_bytes: u64,
    /// In the list of what the next checkpoint syncs.
    pub(super) dirty: bool,
    /// Made since the last checkpoint: its directory is to be synced too.
    pub(super) fresh: bool,
}

/// The segments of one partition and what they hold.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) log_start: i64,
    /// Offset after the last record written.
    pub(super) end: i64,
    pub(super) segments: VecDeque<Segment>,
    pub(super) epochs: Epochs,
    /// The last segment's file holds no more than it should, and the directory no other files.
    pub(super) prepared: bool,
    /// Number of the checkpoint after which the write-ahead log says that this partition is written without it.
    pub(super) marked: u64,
    /// The topic was deleted: nothing may be written.
    pub(super) deleted: bool,
    /// Offsets at which reads ended: offset, segment, position.
    hints: VecDeque<(i64, i64, u64)>,
}

impl Segment {
    /// An empty one.
    pub(super) fn new(base: i64, now_ms: i64) -> Self {
        Self {
            base,
            bytes: 0,
            largest: (-1, base),
            created_ms: now_ms,
            modified_ms: now_ms,
            indexed: (0, 0),
            pending: Index::default(),
            unindexed_bytes: 0,
            dirty: false,
            fresh: true,
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_i64(self.base);
        out.put_u64(self.bytes);
        out.put_i64(self.largest.0);
        out.put_i64(self.largest.1);
        out.put_i64(self.created_ms);
        out.put_i64(self.modified_ms);
        out.put_u32(self.indexed.0);
        out.put_u32(self.indexed.1);
    }

    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, LogError> {
        let mut segment = Self::new(input.i64()?, 0);
        segment.bytes = input.u64()?;
        segment.largest = (input.i64()?, input.i64()?);
        segment.created_ms = input.i64()?;
        segment.modified_ms = input.i64()?;
        segment.indexed = (input.u32()?, input.u32()?);
        // Not `fresh`: a manifest names only segments whose directory was synced.
        Ok(Self { fresh: false, ..segment })
    }

    /// An offset less the base; what does not fit was never written here.
    pub(super) fn relative(&self, offset: i64) -> u32 {
        u32::try_from(offset - self.base).unwrap_or(u32::MAX)
    }

    /// Takes note of a batch at its end.
    fn note(&mut self, header: &BatchHeader, interval_bytes: u64, now_ms: i64) {
        let length = header.total_bytes() as u64;
        if header.max_timestamp > self.largest.0 || self.bytes == 0 {
            self.largest = (header.max_timestamp, header.last_offset());
        }
        if self.unindexed_bytes > interval_bytes {
            let largest = (self.largest.0, self.relative(self.largest.1));
            self.pending.push(self.relative(header.last_offset()), self.bytes as u32, largest);
            self.unindexed_bytes = 0;
        }
        self.unindexed_bytes += length;
        self.bytes += length;
        self.modified_ms = now_ms;
    }

    /// A batch of so many bytes that ends at `last_offset` must go into another segment.
    pub(super) fn is_full(
        &self,
        batch_bytes: u64,
        last_offset: i64,
        limits: RollLimits,
        now_ms: i64,
    ) -> bool {
        self.bytes > 0
            && (self.bytes + batch_bytes > limits.bytes
                || last_offset - self.base > i64::from(i32::MAX)
                || now_ms.saturating_sub(self.created_ms) >= limits.age_ms)
    }
}

/// When a segment is closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct RollLimits {
    pub(super) bytes: u64,
    pub(super) age_ms: i64,
}

impl Chain {
    pub(super) fn new(
        log_start: i64,
        end: i64,
        segments: Vec<Segment>,
        epochs: Vec<(i32, i64)>,
    ) -> Self {
        let (segments, epochs) = (segments.into(), epochs.into());
        Self { log_start, end, segments, epochs, ..Self::default() }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Takes note of a batch written at the end of the last segment.
    pub(super) fn note(&mut self, header: &BatchHeader, interval_bytes: u64, now_ms: i64) {
        if let Some(segment) = self.segments.back_mut() {
            segment.note(header, interval_bytes, now_ms);
        }
        self.epochs.note(header.partition_leader_epoch, header.base_offset);
        self.end = header.next_offset();
    }

    /// The segment that holds an offset.
    pub(super) fn segment_of(&self, offset: i64) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.base <= offset);
        after.checked_sub(1).map(|at| &self.segments[at])
    }

    pub(super) fn segment_mut(&mut self, base: i64) -> Option<&mut Segment> {
        let at = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        self.segments.get_mut(at)
    }

    /// Segment and position of the batch that begins at `offset`, if a read ended there lately.
    pub(super) fn hint(&self, offset: i64) -> Option<(i64, u64)> {
        let hint = self.hints.iter().find(|(known, ..)| *known == offset);
        hint.map(|(_, base, position)| (*base, *position))
    }

    /// Remembers that a batch begins (or will) at `offset`, in place of the one that was read up to there.
    pub(super) fn set_hint(&mut self, from: i64, offset: i64, base: i64, position: u64) {
        self.hints.retain(|(known, ..)| *known != from && *known != offset);
        if self.hints.len() == HINTS_MAX {
            self.hints.pop_front();
        }
        self.hints.push_back((offset, base, position));
    }

    /// Gives up records before `offset`, which is at most the end. Returns the segments that hold nothing else.
    pub(super) fn raise_log_start(&mut self, offset: i64) -> Vec<Segment> {
        let mut dropped = Vec::new();
        if offset <= self.log_start {
            return dropped;
        }
        self.log_start = offset;
        while let Some(first) = self.segments.front() {
            let next = self.segments.get(1).map_or(self.end, |second| second.base);
            if next > offset || first.base >= offset {
                break;
            }
            dropped.extend(self.segments.pop_front());
        }
        self.epochs.raise_start(offset);
        self.hints.retain(|(known, ..)| *known >= offset);
        if self.segments.is_empty() {
            self.hints.clear();
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(bases: &[i64], end: i64) -> Chain {
        let segments = bases.iter().map(|base| Segment::new(*base, 0)).collect();
        Chain { end, segments, ..Chain::default() }
    }

    #[test]
    fn segments_wholly_below_the_start_are_dropped_even_the_last() {
        let mut three = chain(&[0, 10, 20], 30);
        assert!(three.raise_log_start(9).is_empty());
        let dropped = three.raise_log_start(20);
        assert_eq!(dropped.iter().map(|segment| segment.base).collect::<Vec<_>>(), [0, 10]);
        assert_eq!(three.raise_log_start(30).len(), 1);
        assert_eq!((three.log_start, three.segments.len()), (30, 0));
        assert!(three.raise_log_start(5).is_empty(), "it never goes down");
        assert_eq!(three.log_start, 30);
    }

    #[test]
    fn offset_leads_to_its_segment() {
        let three = chain(&[0, 10, 20], 30);
        let base = |offset| three.segment_of(offset).map(|segment| segment.base);
        assert_eq!((base(0), base(9), base(10), base(25)), (Some(0), Some(0), Some(10), Some(20)));
        assert_eq!(chain(&[5], 8).segment_of(4).map(|segment| segment.base), None);
    }
}
