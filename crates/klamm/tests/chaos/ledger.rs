//! What was acknowledged, what has been read, and whether both are still there.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use klamm_kafka_proto::records::{BatchBuilder, BatchHeader, Producer};
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
            let once = sequences_once(&stored);
            once.unwrap_or_else(|why| panic!("{place}: {why}"));
            let found: Marks = stored
                .iter()
                .map(|s| (s.header.base_offset, Mark::new(s.header.next_offset(), &s.bytes)))
                .collect();
            for (what, expected) in [("read before", &*before), ("acknowledged", &acknowledged)] {
                let there = same(expected.range(from..), &found);
                there.unwrap_or_else(|why| panic!("{place}: {what}: {why}"));
            }
            before.extend(found);
        }
        count
    }
}

/// Every batch expected is found where it was, unchanged.
fn same<'a>(
    expected: impl Iterator<Item = (&'a i64, &'a Mark)>,
    found: &Marks,
) -> Result<(), String> {
    for (offset, mark) in expected {
        match found.get(offset) {
            Some(there) if there == mark => {}
            there => return Err(format!("batch at {offset} was {mark:?} and is {there:?}")),
        }
    }
    Ok(())
}

/// Each producer's batches follow each other without a gap or a repetition.
fn sequences_once(stored: &[Stored]) -> Result<(), String> {
    let mut next: HashMap<i64, i32> = HashMap::new();
    for Stored { header, .. } in stored.iter().filter(|s| s.header.producer_id >= 0) {
        let (id, first) = (header.producer_id, header.base_sequence);
        let expected = next.insert(id, first + header.last_offset_delta + 1);
        if expected.is_some_and(|expected| expected != first) {
            let offset = header.base_offset;
            return Err(format!("producer {id} at {offset}: sequence {first}, not {expected:?}"));
        }
    }
    Ok(())
}

/// The checks themselves: what they are there for does not pass them.
pub fn lost_changed_and_repeated_batches_are_noticed() {
    let batch = |base_offset: i64, base_sequence: i32| {
        let producer = Producer { id: 7, epoch: 0, base_sequence };
        let mut builder = BatchBuilder::new().producer(producer);
        builder.append(5, None, Some(b"value"), &[]);
        let mut bytes = builder.build().to_vec();
        BatchHeader::patch(&mut bytes, base_offset, 3);
        let header = BatchHeader::parse(&bytes).expect("a batch");
        Stored { header, bytes: bytes.into() }
    };
    let marks = |stored: &[Stored]| -> Marks {
        let mark = |s: &Stored| Mark::new(s.header.next_offset(), &s.bytes);
        stored.iter().map(|s| (s.header.base_offset, mark(s))).collect()
    };
    let written = [batch(0, 0), batch(1, 1), batch(2, 2)];
    let acknowledged = marks(&written);
    assert_eq!(same(acknowledged.iter(), &marks(&written)), Ok(()));
    assert_eq!(sequences_once(&written), Ok(()));
    assert!(same(acknowledged.iter(), &marks(&written[..2])).is_err(), "the last was lost");
    let other = [batch(0, 0), batch(1, 9), batch(2, 2)];
    assert!(same(acknowledged.iter(), &marks(&other)).is_err(), "another lies in its place");
    let twice = [batch(0, 0), batch(1, 1), batch(2, 1)];
    assert!(sequences_once(&twice).is_err(), "one lies there twice");
    assert!(sequences_once(&[batch(0, 0), batch(1, 2)]).is_err(), "one was left out");
}
