//! Counters of one listener.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a listener counted since it was bound. Each number is exact; together they are not a snapshot.
#[derive(Debug, Default)]
pub struct ListenerMetrics {
    open: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl ListenerMetrics {
    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Connections handed to the handler.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections closed because the limit was reached.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Calls of `accept` that failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(crate) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_closed(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// Returns how many there were before.
    pub(crate) fn count_refused(&self) -> u64 {
        self.refused.fetch_add(1, Relaxed)
    }

    pub(crate) fn count_failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }
}
