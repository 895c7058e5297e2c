//! What a partition remembers of idempotent producers (KIP-98): the epoch and the last batches of each.
//!
//! ```text
//!   epoch older than known ............ fenced
//!   epoch newer, sequence 0 ........... taken, forgets the old epoch's batches
//!   same first and last sequence as a remembered batch: duplicate, told its offset
//!   sequence follows the last ......... taken
//!   anything else ..................... out of order
//! ```

use std::collections::{HashMap, VecDeque};

use klamm_kafka_proto::records::BatchHeader;

use crate::LogError;

/// Batches remembered for each producer: as many as a client may have in flight (KIP-98).
const BATCHES_KEPT: usize = 5;
/// Producers remembered in each partition; the one longest silent is forgotten first. An entry is about 200 bytes,
/// so a partition that hostile clients fill costs 200 kB.
const PRODUCERS_MAX: usize = 1000;
/// Silence after which a producer is forgotten (`producer.id.expiration.ms`).
const EXPIRY_MS: i64 = 24 * 3600 * 1000;

/// One remembered batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) first_sequence: i32,
    pub(super) last_sequence: i32,
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
}

/// One producer as a partition knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    /// When it last sent, in milliseconds since 1970.
    pub(super) last_ms: i64,
    /// Oldest first.
    pub(super) batches: VecDeque<Sent>,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Append it.
    Fresh,
    /// It is there already.
    Duplicate(Sent),
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Producers {
    // Most partitions have none: the map costs nothing until the first.
    by_id: HashMap<i64, Producer>,
}

impl Producers {
    /// Judges a batch; `header` is that of a validated one.
    pub(super) fn check(&self, header: &BatchHeader) -> Result<Verdict, LogError> {
        if header.producer_id < 0 {
            return Ok(Verdict::Fresh);
        }
        let (got, current) = (header.producer_epoch, self.by_id.get(&header.producer_id));
        let Some(known) = current else { return Ok(Verdict::Fresh) };
        if got < known.epoch {
            let (producer_id, current) = (header.producer_id, known.epoch);
            return Err(LogError::ProducerFenced { producer_id, current, got });
        }
        if got > known.epoch {
            return expect(header, 0).map(|()| Verdict::Fresh);
        }
        let (first, last) = (header.base_sequence, last_sequence(header));
        let same = |sent: &&Sent| sent.first_sequence == first && sent.last_sequence == last;
        if let Some(sent) = known.batches.iter().rev().find(same) {
            return Ok(Verdict::Duplicate(*sent));
        }
        match known.batches.back() {
            Some(sent) => expect(header, after(sent.last_sequence)).map(|()| Verdict::Fresh),
            None => Ok(Verdict::Fresh),
        }
    }

    /// Remembers a batch that was appended.
    pub(super) fn record(&mut self, header: &BatchHeader, base_offset: i64, now_ms: i64) {
        if header.producer_id < 0 {
            return;
        }
        if self.by_id.len() >= PRODUCERS_MAX && !self.by_id.contains_key(&header.producer_id) {
            self.forget_most_silent();
        }
        let fresh = || Producer {
            epoch: header.producer_epoch,
            last_ms: now_ms,
            batches: VecDeque::with_capacity(BATCHES_KEPT),
        };
        let producer = self.by_id.entry(header.producer_id).or_insert_with(fresh);
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.last_ms = now_ms;
        if producer.batches.len() == BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Sent {
            first_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            base_offset,
            last_offset: base_offset + i64::from(header.last_offset_delta),
        });
    }

    /// Forgets batches from `offset` on, which were not written after all. A producer of which no batch is left
    /// is forgotten whole: its next batch is taken whatever its sequence, as that of any unknown producer.
    pub(super) fn truncate(&mut self, offset: i64) {
        self.by_id.retain(|_, producer| {
            producer.batches.retain(|sent| sent.base_offset < offset);
            !producer.batches.is_empty()
        });
    }

    /// Forgets producers that have been silent for a day.
    pub(super) fn expire(&mut self, now_ms: i64) {
        if !self.by_id.is_empty() {
            self.by_id.retain(|_, producer| now_ms.saturating_sub(producer.last_ms) < EXPIRY_MS);
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, producer))
    }

    pub(super) fn insert(&mut self, id: i64, producer: Producer) {
        self.by_id.insert(id, producer);
    }

    fn forget_most_silent(&mut self) {
        if let Some(id) = self.by_id.iter().min_by_key(|(_, p)| p.last_ms).map(|(id, _)| *id) {
            self.by_id.remove(&id);
        }
    }
}

fn expect(header: &BatchHeader, expected: i32) -> Result<(), LogError> {
    if header.base_sequence == expected {
        return Ok(());
    }
    let (producer_id, got) = (header.producer_id, header.base_sequence);
    Err(LogError::OutOfOrderSequence { producer_id, expected, got })
}

/// Sequence numbers wrap from 2^31-1 to 0.
fn last_sequence(header: &BatchHeader) -> i32 {
    let last = i64::from(header.base_sequence) + i64::from(header.last_offset_delta);
    (last & i64::from(i32::MAX)) as i32
}

fn after(sequence: i32) -> i32 {
    if sequence == i32::MAX { 0 } else { sequence + 1 }
}

#[cfg(test)]
mod tests {
    use klamm_kafka_proto::records::{BatchBuilder, Producer as Id};

    use super::*;

    fn batch(id: i64, epoch: i16, base_sequence: i32, count: usize) -> BatchHeader {
        let mut builder = BatchBuilder::new().producer(Id { id, epoch, base_sequence });
        for _ in 0..count {
            builder.append(0, None, None, &[]);
        }
        BatchHeader::parse(&builder.build()).unwrap()
    }

    fn after_ten() -> Producers {
        let mut producers = Producers::default();
        for sequence in 0..10 {
            producers.record(&batch(7, 1, sequence, 1), 100 + i64::from(sequence), 0);
        }
        producers
    }

    #[test]
    fn one_of_the_last_five_batches_is_a_duplicate_with_its_offset() {
        let producers = after_ten();
        for sequence in 5..10 {
            let verdict = producers.check(&batch(7, 1, sequence, 1)).unwrap();
            let Verdict::Duplicate(sent) = verdict else { panic!("{sequence} is no duplicate") };
            assert_eq!(sent.base_offset, 100 + i64::from(sequence));
        }
        assert!(producers.check(&batch(7, 1, 4, 1)).is_err(), "older ones are out of order");
        assert!(producers.check(&batch(7, 1, 9, 2)).is_err(), "same start, other length");
    }

    #[test]
    fn gap_is_out_of_order_and_the_next_is_fresh() {
        let producers = after_ten();
        assert_eq!(producers.check(&batch(7, 1, 10, 3)).unwrap(), Verdict::Fresh);
        let refused = producers.check(&batch(7, 1, 11, 1));
        assert!(matches!(refused, Err(LogError::OutOfOrderSequence { expected: 10, got: 11, .. })));
    }

    #[test]
    fn older_epoch_is_fenced_and_a_newer_one_begins_at_zero() {
        let producers = after_ten();
        assert!(matches!(
            producers.check(&batch(7, 0, 10, 1)),
            Err(LogError::ProducerFenced { current: 1, got: 0, .. })
        ));
        assert!(producers.check(&batch(7, 2, 1, 1)).is_err());
        assert_eq!(producers.check(&batch(7, 2, 0, 1)).unwrap(), Verdict::Fresh);
    }

    #[test]
    fn unknown_producer_may_begin_anywhere() {
        assert_eq!(Producers::default().check(&batch(7, 3, 55, 1)).unwrap(), Verdict::Fresh);
    }

    #[test]
    fn sequence_wraps_to_zero() {
        let mut producers = Producers::default();
        producers.record(&batch(7, 0, i32::MAX - 1, 2), 0, 0);
        assert_eq!(producers.check(&batch(7, 0, 0, 1)).unwrap(), Verdict::Fresh);
        producers.record(&batch(7, 0, 0, 1), 2, 0);
        let again = producers.check(&batch(7, 0, i32::MAX - 1, 2)).unwrap();
        assert!(matches!(again, Verdict::Duplicate(_)));
    }

    #[test]
    fn what_was_not_written_is_forgotten() {
        let mut producers = after_ten();
        producers.truncate(108);
        assert_eq!(producers.check(&batch(7, 1, 8, 1)).unwrap(), Verdict::Fresh);
        producers.truncate(0);
        assert_eq!(producers.check(&batch(7, 1, 42, 1)).unwrap(), Verdict::Fresh);
    }

    #[test]
    fn number_of_producers_is_bounded_and_silence_forgets() {
        let mut producers = Producers::default();
        for id in 0..PRODUCERS_MAX as i64 + 10 {
            producers.record(&batch(id, 0, 0, 1), id, id);
        }
        assert_eq!(producers.iter().len(), PRODUCERS_MAX);
        assert!(producers.iter().all(|(id, _)| id >= 10), "the longest silent went");
        producers.expire(EXPIRY_MS + 500);
        assert_eq!(producers.iter().len(), 509);
    }
}
