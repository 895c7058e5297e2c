//! One append on its way: a record batch taken apart, put together again from its records' deliveries.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use klamm_log::{Appended, Completion, LogError};

use crate::budget::Budget;

/// Librdkafka's delivery opaque: one for each append, shared by its records.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) topic: Arc<str>,
    /// Bytes of the batch as it was given.
    pub(crate) batch_bytes: usize,
    /// The topic's `max.message.bytes`, if the cluster tells.
    pub(crate) max_message_bytes: Option<usize>,
    /// Records still out, and one for the append itself while it hands them over.
    left: AtomicUsize,
    base_offset: AtomicI64,
    log_append_time: AtomicI64,
    error: OnceLock<LogError>,
    completion: Mutex<Option<Completion>>,
    /// What the budget gets back.
    cost_bytes: usize,
    budget: Arc<Budget>,
}

/// What an append is about.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) topic: Arc<str>,
    pub(crate) batch_bytes: usize,
    pub(crate) max_message_bytes: Option<usize>,
    pub(crate) records: usize,
    pub(crate) cost_bytes: usize,
}

impl InFlight {
    pub(crate) fn new(of: Admission, completion: Completion, budget: Arc<Budget>) -> Self {
        Self {
            topic: of.topic,
            batch_bytes: of.batch_bytes,
            max_message_bytes: of.max_message_bytes,
            left: AtomicUsize::new(of.records + 1),
            base_offset: AtomicI64::new(i64::MAX),
            log_append_time: AtomicI64::new(-1),
            error: OnceLock::new(),
            completion: Mutex::new(Some(completion)),
            cost_bytes: of.cost_bytes,
            budget,
        }
    }

    /// A record is stored at this offset.
    pub(crate) fn delivered(&self, offset: i64, log_append_time: Option<i64>) {
        self.base_offset.fetch_min(offset, Ordering::AcqRel);
        if let Some(time) = log_append_time {
            self.log_append_time.store(time, Ordering::Release);
        }
        self.settle(1);
    }

    /// Records are not stored, or nobody knows. The first reason given is the append's.
    pub(crate) fn failed(&self, error: LogError, records: usize) {
        let _ = self.error.set(error);
        self.settle(records);
    }

    /// Counts records off; with the last one the append has its end.
    pub(crate) fn settle(&self, records: usize) {
        if self.left.fetch_sub(records, Ordering::AcqRel) != records {
            return;
        }
        self.budget.give(self.cost_bytes);
        let completion = self.completion.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(completion) = completion {
            completion.complete(self.result());
        }
    }

    fn result(&self) -> Result<Appended, LogError> {
        if let Some(error) = self.error.get() {
            return Err(error.clone());
        }
        let time = self.log_append_time.load(Ordering::Acquire);
        Ok(Appended {
            base_offset: self.base_offset.load(Ordering::Acquire),
            log_append_time: (time >= 0).then_some(time),
            // Told to librdkafka by the broker, but not by librdkafka to us.
            log_start_offset: -1,
        })
    }
}

#[cfg(test)]
mod tests {
    use klamm_log::Pending;

    use super::*;

    fn append(records: usize) -> (Arc<InFlight>, Pending, Arc<Budget>) {
        let budget = Arc::new(Budget::new(10));
        assert!(budget.take(10));
        let (completion, pending) = Pending::channel();
        let topic = Arc::from("t");
        let of =
            Admission { topic, batch_bytes: 9, max_message_bytes: None, records, cost_bytes: 10 };
        (Arc::new(InFlight::new(of, completion, Arc::clone(&budget))), pending, budget)
    }

    #[tokio::test]
    async fn append_ends_with_its_last_record_at_its_first_offset() {
        let (in_flight, mut pending, budget) = append(2);
        in_flight.settle(1);
        in_flight.delivered(8, None);
        tokio::select! {
            biased;
            _ = &mut pending => panic!("a record is still out"),
            () = std::future::ready(()) => {}
        }
        in_flight.delivered(7, Some(99));
        let appended = pending.await.unwrap();
        assert_eq!((appended.base_offset, appended.log_append_time), (7, Some(99)));
        assert!(budget.take(1));
    }

    #[tokio::test]
    async fn one_lost_record_fails_the_append_with_the_first_reason() {
        let (in_flight, pending, _) = append(3);
        in_flight.settle(1);
        in_flight.delivered(7, None);
        in_flight.failed(LogError::Timeout(5), 1);
        in_flight.failed(LogError::Closed, 1);
        assert!(matches!(pending.await, Err(LogError::Timeout(5))));
    }
}
