//! A reader's place on a lane.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Key, Lanes, Queue};

/// One partition assigned on one lane. Shared by the reader that uses it and the table that may take it away.
pub(crate) struct Slot {
    pub(super) key: Key,
    pub(super) lane: usize,
    /// Grows with each assignment: the least has had its place the longest.
    pub(super) sequence: u64,
    /// `None` once it was taken away or given back.
    queue: Mutex<Option<Queue>>,
    wake: Arc<Notify>,
    called: AtomicBool,
    calls: AtomicU64,
    at_end: AtomicBool,
}

impl Slot {
    pub(super) fn new(
        key: Key,
        lane: usize,
        sequence: u64,
        queue: Queue,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            key,
            lane,
            sequence,
            queue: Mutex::new(Some(queue)),
            wake,
            called: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            at_end: AtomicBool::new(false),
        }
    }

    /// Takes the queue from the reader and wakes it; `None` when that was done before.
    pub(super) fn end(&self) -> Option<Queue> {
        let queue = self.queue().take();
        self.wake.notify_one();
        queue
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Option<Queue>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits in `Reader::next`.
    pub(super) fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    /// How often somebody did.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at_end.load(Ordering::Acquire)
    }

    pub(crate) fn set_at_end(&self, at_end: bool) {
        self.at_end.store(at_end, Ordering::Release);
    }
}

/// A reader's right to a [`Slot`], given back when dropped.
pub(crate) struct Lease {
    slot: Arc<Slot>,
    lanes: Arc<Lanes>,
}

impl Lease {
    pub(super) fn new(slot: Arc<Slot>, lanes: Arc<Lanes>) -> Self {
        Self { slot, lanes }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    pub(crate) fn was_taken_away(&self) -> bool {
        self.slot.queue().is_none()
    }

    /// Marks the reader as waiting, until the result is dropped.
    pub(crate) fn call(&self) -> Call {
        self.slot.calls.fetch_add(1, Ordering::AcqRel);
        self.slot.called.store(true, Ordering::Release);
        Call(Arc::clone(&self.slot))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lanes.give_back(&self.slot);
    }
}

/// See [`Lease::call`].
pub(crate) struct Call(Arc<Slot>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.called.store(false, Ordering::Release);
    }
}
