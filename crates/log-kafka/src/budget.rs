//! The bound on appends that wait for their acknowledgement.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts bytes. What crosses the limit is still taken, so that no batch is too large to ever get through; the
/// bound is therefore the limit and one batch.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    room: Notify,
}

impl Budget {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes: limit_bytes.max(1),
            used_bytes: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }

    /// Takes bytes, or says that there is no room.
    #[must_use]
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let room = |used| (used < self.limit_bytes).then(|| used + bytes);
        self.used_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
    }

    /// Gives them back. Those who wait are woken when a quarter is free, not once for each record.
    pub(crate) fn give(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Ordering::AcqRel);
        let low = self.limit_bytes - self.limit_bytes / 4;
        if before >= low && before - bytes < low {
            self.room.notify_waiters();
        }
    }

    /// Resolves when there is room.
    pub(crate) async fn ready(&self) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if self.used_bytes.load(Ordering::Acquire) < self.limit_bytes {
                return;
            }
            room.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn waits_are_over_when_a_quarter_is_free() {
        let budget = Arc::new(Budget::new(100));
        assert!(budget.take(60) && budget.take(60), "the one that crosses the limit is taken");
        assert!(!budget.take(1));
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.ready().await }
        });
        tokio::task::yield_now().await;
        budget.give(10);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "110 of 100 are taken");
        budget.give(60);
        waiting.await.unwrap();
        assert!(budget.take(500), "one larger than the limit gets through too");
    }
}
