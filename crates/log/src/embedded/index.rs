//! The sparse indexes of a segment, in Kafka's formats: `.index` leads from an offset to a position,
//! `.timeindex` from a timestamp to an offset.
//!
//! ```text
//! .index:     last offset of a batch less the segment's base u32 | position of the batch u32
//! .timeindex: largest timestamp so far i64 | last offset of the batch that has it, less the base u32
//! ```
//!
//! An index only says where to begin looking. Without entries one looks from the segment's start.

/// Bytes of an entry in `.index`.
pub(super) const OFFSET_ENTRY_BYTES: usize = 8;
/// Bytes of an entry in `.timeindex`.
pub(super) const TIME_ENTRY_BYTES: usize = 12;

/// Some or all entries of a segment's indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Relative last offset and position.
    offsets: Vec<(u32, u32)>,
    /// Largest timestamp so far and relative offset.
    times: Vec<(i64, u32)>,
}

impl Index {
    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty() && self.times.is_empty()
    }

    /// Adds entries for a batch that is about to be written.
    pub(super) fn push(&mut self, relative: u32, position: u32, largest: (i64, u32)) {
        self.offsets.push((relative, position));
        if self.times.last().is_none_or(|(timestamp, _)| largest.0 > *timestamp) {
            self.times.push(largest);
        }
    }

    /// Position of a batch at or before the one that holds the relative offset.
    pub(super) fn position(&self, relative: u32) -> Option<u32> {
        let after = self.offsets.partition_point(|(offset, _)| *offset <= relative);
        after.checked_sub(1).map(|at| self.offsets[at].1)
    }

    /// A relative offset such that no record before it has the timestamp or a later one.
    pub(super) fn offset_before(&self, timestamp: i64) -> Option<u32> {
        let after = self.times.partition_point(|(largest, _)| *largest < timestamp);
        after.checked_sub(1).map(|at| self.times[at].1)
    }

    /// The entries as they stand in the two files.
    pub(super) fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let mut offsets = Vec::with_capacity(self.offsets.len() * OFFSET_ENTRY_BYTES);
        for (relative, position) in &self.offsets {
            offsets.extend_from_slice(&relative.to_be_bytes());
            offsets.extend_from_slice(&position.to_be_bytes());
        }
        let mut times = Vec::with_capacity(self.times.len() * TIME_ENTRY_BYTES);
        for (timestamp, relative) in &self.times {
            times.extend_from_slice(&timestamp.to_be_bytes());
            times.extend_from_slice(&relative.to_be_bytes());
        }
        (offsets, times)
    }

    /// Reads entries; a part of one at the end is left out.
    pub(super) fn decode(offsets: &[u8], times: &[u8]) -> Self {
        let u32_at = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let offsets = offsets.chunks_exact(OFFSET_ENTRY_BYTES);
        let times = times.chunks_exact(TIME_ENTRY_BYTES);
        Self {
            offsets: offsets.map(|entry| (u32_at(entry), u32_at(&entry[4..]))).collect(),
            times: times
                .map(|entry| {
                    let high = i64::from(u32_at(entry)) << 32;
                    (high | i64::from(u32_at(&entry[4..])), u32_at(&entry[8..]))
                })
                .collect(),
        }
    }

    /// Entries in either file.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.offsets.len() as u32, self.times.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_lead_to_a_place_not_behind_and_come_back_from_files() {
        let mut index = Index::default();
        index.push(9, 0, (100, 4));
        index.push(19, 1000, (100, 4));
        index.push(29, 2000, (-5 + 300, 25));
        assert_eq!(index.position(8), None);
        assert_eq!(index.position(9), Some(0));
        assert_eq!(index.position(28), Some(1000));
        assert_eq!(index.position(500), Some(2000));
        assert_eq!(index.offset_before(100), None);
        assert_eq!(index.offset_before(101), Some(4));
        assert_eq!(index.offset_before(1000), Some(25));
        assert_eq!(index.counts(), (3, 2), "a time that is not new has no entry");
        let (offsets, times) = index.encode();
        assert_eq!(Index::decode(&offsets, &times), index);
        assert_eq!(Index::decode(&offsets[..23], &[]).counts(), (2, 0));
    }
}
