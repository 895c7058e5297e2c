//! What was acknowledged, what has been read, and whether both are still there.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use klamm_testkit::eventually;

use crate::support::kafka::{Kafka, Stored};

/// Batches at the end of a partition that a quick check reads again.
const TAIL: usize = 200;

/// A batch by what makes it this one: its length and everything that its CRC covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub next_offset: i64,
    pub hash: u64,
}

impl Mark {
    /// Of bytes from the CRC on: base offset and leader epoch are the log's, the rest travels as it came.
    pub fn new(next_offset: i64, batch: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        batch[16..].hash(&mut hasher);
        Self { next_offset, hash: hasher.finish() }
    }
}

/// By partition and base offset.
type Marks = BTreeMap<i64, Mark>;

#[derive(Debug, Default)]
pub struct Ledger {
    acknowledged: Mutex<HashMap<i32, Marks>>,
    read: Mutex<HashMap<(String, i32), Marks>>,
}

impl Ledger {
    /// A batch was acknowledged at an offset.
    ///
    /// # Panics
    /// When another batch was acknowledged at that offset before.
    pub fn acknowledged(&self, partition: i32, base_offset: i64, mark: Mark) {
        let mut all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.entry(partition).or_default().insert(base_offset, mark);
        assert!(
            before.is_none_or(|before| before == mark),
            "two batches acknowledged at {partition}:{base_offset}"
        );
    }

    /// Reads a topic, all of it or the newest batches of each partition, and checks: every CRC is good and offsets
    /// follow each other; what was read before reads the same; what was acknowledged is there; no batch of an idempotent
    /// producer is there twice. Gives the number of batches acknowledged so far.
    pub fn check(&self, address: &str, topic: &str, partitions: i32, all: bool) -> usize {
        let mut kafka = eventually("a connection", || Kafka::connect(address).ok());
        let mut count = 0;
        for partition in 0..partitions {
            // Taken before reading: what is acknowledged meanwhile may lie behind the end that is read.
            let acknowledged = {
                let all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                let of = all.get(&partition).filter(|_| topic == crate::TOPIC);
                of.cloned().unwrap_or_default()
            };
            count += acknowledged.len();
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let before = read.entry((topic.to_owned(), partition)).or_default();
            let from = before.keys().rev().nth(TAIL).copied().filter(|_| !all).unwrap_or(0);
            let stored = kafka.stored_from(topic, partition, from);
            let place = format!("{topic}-{partition}");
            sequences_once(&place, &stored);
            let found: Marks = stored
                .iter()
                .map(|s| (s.header.base_offset, Mark::new(s.header.next_offset(), &s.bytes)))
                .collect();
            same(&place, "read before", before.range(from..), &found);
            same(&place, "acknowledged", acknowledged.range(from..), &found);
            before.extend(found);
        }
        count
    }
}

fn same<'a>(
    place: &str,
    what: &str,
    expected: impl Iterator<Item = (&'a i64, &'a Mark)>,
    found: &Marks,
) {
    for (offset, mark) in expected {
        assert_eq!(found.get(offset), Some(mark), "{place}: batch at {offset}, {what}");
    }
}

/// Each producer's batches follow each other without a gap or a repetition.
fn sequences_once(place: &str, stored: &[Stored]) {
    let mut next: HashMap<i64, i32> = HashMap::new();
    for Stored { header, .. } in stored.iter().filter(|s| s.header.producer_id >= 0) {
        let after = header.base_sequence + header.last_offset_delta + 1;
        if let Some(expected) = next.insert(header.producer_id, after) {
            assert_eq!(
                header.base_sequence, expected,
                "{place}: sequence of producer {} at offset {}",
                header.producer_id, header.base_offset
            );
        }
    }
}
