//! What was acknowledged and read, and how long nothing was.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::report::Window;
use crate::clock::{now, since_ms};

/// A batch that a leader acknowledged: numbers `first..first + count` from an offset on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) offset: i64,
    pub(crate) first: i64,
    pub(crate) count: i64,
}

/// A record as it was read: its offset, and the number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) offset: i64,
    pub(crate) number: i64,
}

/// How long something was not heard of.
#[derive(Debug)]
struct Silence {
    heard: Instant,
    window_ms: u64,
    longest_ms: u64,
}

impl Silence {
    fn new() -> Self {
        Self { heard: now(), window_ms: 0, longest_ms: 0 }
    }

    fn look(&mut self) {
        let silent_ms = since_ms(self.heard);
        self.window_ms = self.window_ms.max(silent_ms);
        self.longest_ms = self.longest_ms.max(silent_ms);
    }

    fn hear(&mut self) {
        self.look();
        self.heard = now();
    }
}

/// One partition's part.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) read: Vec<Read>,
    pub(crate) contradictions: Vec<String>,
    produce: Silence,
    consume: Silence,
    retries: u64,
    records: u64,
    marks: (u64, u64, u64),
}

impl Partition {
    fn new() -> Self {
        Self {
            acknowledged: Vec::new(),
            read: Vec::new(),
            contradictions: Vec::new(),
            produce: Silence::new(),
            consume: Silence::new(),
            retries: 0,
            records: 0,
            marks: (0, 0, 0),
        }
    }

    fn window(&mut self) -> Window {
        self.produce.look();
        self.consume.look();
        let at = (self.records, self.read.len() as u64, self.retries);
        let before = std::mem::replace(&mut self.marks, at);
        Window {
            length_ms: 0,
            acknowledged: at.0 - before.0,
            consumed: at.1 - before.1,
            retries: at.2 - before.2,
            produce_stop_ms: std::mem::take(&mut self.produce.window_ms),
            consume_stop_ms: std::mem::take(&mut self.consume.window_ms),
        }
    }

    /// Forgets how long it was silent: what came before the first record was no stop.
    fn begin(&mut self) {
        self.produce = Silence::new();
        self.consume = Silence::new();
    }

    pub(crate) fn stops_ms(&self) -> (u64, u64) {
        (self.produce.longest_ms, self.consume.longest_ms)
    }
}

/// What all tasks of a load tell.
#[derive(Debug)]
pub(crate) struct Ledger {
    partitions: Vec<Mutex<Partition>>,
    window: Mutex<Instant>,
}

impl Ledger {
    pub(crate) fn new(partitions: i32) -> Self {
        let partitions = (0..partitions).map(|_| Mutex::new(Partition::new())).collect();
        Self { partitions, window: Mutex::new(now()) }
    }

    /// Whether every partition has taken and given something; then stops count from here.
    pub(crate) fn begun(&self) -> bool {
        let indices = 0..self.partitions.len() as i32;
        let began = |index| {
            let partition = self.partition(index);
            !partition.acknowledged.is_empty() && !partition.read.is_empty()
        };
        let all = indices.clone().all(began);
        if all {
            indices.for_each(|index| self.partition(index).begin());
        }
        all
    }

    pub(crate) fn partition(&self, index: i32) -> MutexGuard<'_, Partition> {
        self.partitions[index as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn acknowledge(&self, index: i32, batch: Acknowledged) {
        let mut partition = self.partition(index);
        partition.produce.hear();
        partition.records += batch.count as u64;
        partition.acknowledged.push(batch);
    }

    pub(crate) fn read(&self, index: i32, records: &[Read]) {
        let mut partition = self.partition(index);
        partition.consume.hear();
        partition.read.extend_from_slice(records);
    }

    pub(crate) fn retry(&self, index: i32) {
        self.partition(index).retries += 1;
    }

    pub(crate) fn contradict(&self, index: i32, what: String) {
        self.partition(index).contradictions.push(what);
    }

    /// How long the partition that is silent for longest has been so.
    pub(crate) fn silence_ms(&self) -> u64 {
        let silence = |index: usize| {
            let partition = self.partition(index as i32);
            since_ms(partition.produce.heard).max(since_ms(partition.consume.heard))
        };
        (0..self.partitions.len()).map(silence).max().unwrap_or_default()
    }

    /// Since the last call.
    pub(crate) fn window(&self) -> Window {
        let began = std::mem::replace(
            &mut *self.window.lock().unwrap_or_else(PoisonError::into_inner),
            now(),
        );
        let mut all = Window { length_ms: since_ms(began), ..Window::default() };
        for index in 0..self.partitions.len() {
            let one = self.partition(index as i32).window();
            all.acknowledged += one.acknowledged;
            all.consumed += one.consumed;
            all.retries += one.retries;
            all.produce_stop_ms = all.produce_stop_ms.max(one.produce_stop_ms);
            all.consume_stop_ms = all.consume_stop_ms.max(one.consume_stop_ms);
        }
        all
    }
}
