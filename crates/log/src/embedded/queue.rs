//! Admitted batches on their way to the disk, and how many bytes may be.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchHeader, HEADER_BYTES};
use tokio::sync::Notify;

use super::producers::Sent;
use super::store::Store;
use crate::{Completion, Durability};

/// Written together at most: a few milliseconds of copying, so that nobody waits for a giant's turn.
const GROUP_BYTES: usize = 8 << 20;

/// One admitted append.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) store: Arc<Store>,
    /// [`super::store::Admission::generation`] in which it was admitted.
    pub(super) generation: u64,
    pub(super) header: BatchHeader,
    /// The header's bytes, as they are stored.
    pub(super) head: [u8; HEADER_BYTES],
    /// The batch after its header.
    pub(super) body: Bytes,
    /// The batch is there already: nothing is to be written.
    pub(super) duplicate: Option<Sent>,
    pub(super) durability: Durability,
    pub(super) log_append_time: Option<i64>,
    pub(super) completion: Completion,
}

impl Entry {
    /// Bytes of the batch.
    pub(super) fn len_bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// Entries in the order of admission.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Mutex<VecDeque<Entry>>,
    filled: Condvar,
}

impl Queue {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one. Bounded by [`Budget`], of which each entry's bytes were taken before.
    pub(super) fn push(&self, entry: Entry) {
        let mut entries = self.entries();
        entries.push_back(entry);
        if entries.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Takes what is written together next.
    pub(super) fn take(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        let mut bytes = 0;
        let count = entries
            .iter()
            .take_while(|entry| {
                let fits = bytes < GROUP_BYTES;
                bytes += entry.len_bytes();
                fits
            })
            .count();
        if count == entries.len() {
            return std::mem::take(&mut *entries).into();
        }
        entries.drain(..count).collect()
    }

    /// Waits until there is an entry or `stop` says so.
    pub(super) fn wait(&self, stop: impl Fn() -> bool) {
        let mut entries = self.entries();
        while entries.is_empty() && !stop() {
            entries = self.filled.wait(entries).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes whoever waits.
    pub(super) fn wake(&self) {
        drop(self.entries());
        self.filled.notify_all();
    }
}

/// Bytes that may be on their way at a time.
#[derive(Debug)]
pub(super) struct Budget {
    max: usize,
    used: AtomicUsize,
    freed: Notify,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self { max, used: AtomicUsize::new(0), freed: Notify::new() }
    }

    /// Takes bytes if there are as many; a batch larger than the whole budget gets it when it is unused.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| (used == 0 || used + bytes <= self.max).then_some(used + bytes);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::AcqRel);
        // Only those who wait are told; a quarter free keeps them from coming one by one.
        if before - bytes <= self.max / 4 * 3 {
            self.freed.notify_waiters();
        }
    }

    /// Waits until a quarter is free.
    pub(super) async fn ready(&self) {
        loop {
            let freed = self.freed.notified();
            if self.used.load(Ordering::Acquire) <= self.max / 4 * 3 {
                return;
            }
            freed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn budget_is_held_and_freed() {
        let budget = Budget::new(100);
        assert!(budget.take(1000), "alone, anything fits");
        assert!(!budget.take(1));
        let (waited, ()) = tokio::join!(budget.ready(), async { budget.give_back(1000) });
        let () = waited;
        assert!(budget.take(60) && budget.take(40));
        assert!(!budget.take(1));
    }
}
