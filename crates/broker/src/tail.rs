//! Shared tail readers: one for each partition that some subscription needs, whatever the number of
//! sessions.
//!
//! ```text
//!             batch from the log
//!                    |
//!        match names, offer to each subscriber
//!           | taken                | full (QoS 1, 2)       | full (QoS 0)
//!         done            lagging: own catch-up reader    dropped, counted
//!                                  | reached the tail's position
//!                          offered by the tail again
//! ```
//!
//! A slow subscriber is thus held by the log and not by memory: its place in the log is its queue.
//!
//! The catch-up reader may read further than the tail has come. It gives the subscriber back with the offset it reached, and
//! the tail passes over what lies before that: every record is offered by one of the two, and in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use klamm_log::{LogError, Partition, Position, Reader};
use tokio_util::sync::CancellationToken;

use crate::mapping::{self, Origin};
use crate::message::{Dispatch, Message, QoS};
use crate::metrics::Metrics;
use crate::route::RouteTable;
use crate::subscriptions::{Matched, Offer, SubscriberId, Subscriptions};

mod catch_up;

/// What the tail asks of the log at a time: enough for a thousand records of 1 KiB, little enough that a
/// partition costs nobody more than a millisecond between two others.
const READ_BYTES: usize = 1 << 20;
/// Topic names whose matches are kept at hand for each partition.
const CACHED_NAMES_MAX: usize = 4096; // 4,096 names of 100 bytes with a handful of matches: about 1 MB
/// An offset that no record has.
const UNKNOWN: i64 = i64::MAX;
/// Pause after an error of the log before the next try.
const RETRY: Duration = Duration::from_millis(500);

/// What all tails share.
#[derive(Debug)]
pub struct Surroundings {
    /// Routes, for names of plain records.
    pub routes: Arc<RouteTable>,
    /// Who gets what.
    pub subscriptions: Arc<Subscriptions>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// A running tail reader of one partition; dropping the last handle ends it.
#[derive(Debug)]
pub(crate) struct Tail {
    partition: Arc<dyn Partition>,
    around: Arc<Surroundings>,
    state: Mutex<State>,
    stop: CancellationToken,
}

/// Held for the whole of a batch's dispatch, so that catch-up readers see all of it or nothing.
#[derive(Debug)]
struct State {
    /// Offset of the next record to be dispatched.
    position: i64,
    /// Subscribers that get this partition's records from a catch-up reader for now, and the offset up to which they do:
    /// [`UNKNOWN`] while it still reads.
    lagging: HashMap<SubscriberId, i64>,
    cache: Cache,
}

#[derive(Debug, Default)]
struct Cache {
    generation: u64,
    names: HashMap<Arc<str>, Arc<[Matched]>>,
}

/// Ends the tail when dropped.
#[derive(Debug)]
pub(crate) struct TailHandle {
    tail: Arc<Tail>,
}

impl TailHandle {
    /// Whether it follows this partition.
    pub(crate) fn is_of(&self, topic: &str, index: u32) -> bool {
        **self.tail.partition.topic() == *topic && self.tail.partition.index() == index
    }

    /// It stopped by itself, because its topic was deleted.
    pub(crate) fn has_ended(&self) -> bool {
        self.tail.stop.is_cancelled()
    }
}

impl Drop for TailHandle {
    fn drop(&mut self) {
        self.tail.stop.cancel();
    }
}

impl Tail {
    /// Starts reading. When this resolves, everything appended from now on will be dispatched.
    ///
    /// # Errors
    /// What the log says when the position is asked for.
    pub(crate) async fn start(
        partition: Arc<dyn Partition>,
        from: Position,
        around: Arc<Surroundings>,
    ) -> Result<TailHandle, LogError> {
        let reader = partition.reader(from).await?;
        let state =
            State { position: reader.position(), lagging: HashMap::new(), cache: Cache::default() };
        let stop = CancellationToken::new();
        let tail = Arc::new(Self { partition, around, state: Mutex::new(state), stop });
        tokio::spawn(Arc::clone(&tail).run(reader));
        Ok(TailHandle { tail })
    }

    async fn run(self: Arc<Self>, mut reader: Box<dyn Reader>) {
        self.around.metrics.tails.add(1);
        self.follow(&mut reader).await;
        self.around.metrics.tails.subtract(1);
    }

    async fn follow(self: &Arc<Self>, reader: &mut Box<dyn Reader>) {
        loop {
            let read = tokio::select! {
                () = self.stop.cancelled() => return,
                read = reader.next(READ_BYTES) => read,
            };
            match read {
                Ok(bytes) => self.dispatch(&bytes, reader.position()),
                Err(LogError::UnknownTopic(topic)) => {
                    tracing::info!(%topic, "a topic with subscribers was deleted");
                    self.stop.cancel();
                    return;
                }
                Err(error) => {
                    if !self.recover(&error, reader).await {
                        return;
                    }
                }
            }
            // A partition under load must not keep the others of this thread waiting.
            tokio::task::yield_now().await;
        }
    }

    /// Makes the reader fit to go on after an error; `false` when the tail was stopped meanwhile.
    async fn recover(&self, error: &LogError, reader: &mut Box<dyn Reader>) -> bool {
        let (topic, partition) = (self.partition.topic(), self.partition.index());
        let from = if let LogError::OffsetOutOfRange { start, .. } = error {
            let lost = (start - reader.position()).max(0);
            self.around.metrics.records_lost_to_retention.add(lost as u64);
            tracing::warn!(%topic, partition, lost,
                "retention overtook the tail reader; it goes on with the first record kept");
            Position::Earliest
        } else {
            tracing::warn!(%topic, partition, %error, "the tail reader tries again");
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep(RETRY) => {}
            }
            if error.is_retryable() {
                return true;
            }
            Position::Offset(reader.position())
        };
        match self.partition.reader(from).await {
            Ok(again) => {
                self.state().position = again.position();
                *reader = again;
            }
            Err(error) => {
                tracing::warn!(%topic, partition, %error, "cannot read on yet");
                tokio::time::sleep(RETRY).await;
            }
        }
        true
    }

    /// Offers the records of whole batches to everyone who subscribed to them.
    fn dispatch(self: &Arc<Self>, bytes: &Bytes, next: i64) {
        let mut state = self.state();
        let from = state.position;
        let metrics = &self.around.metrics;
        mapping::for_each_record(bytes, |record| {
            let record = match record {
                Ok(record) if record.offset < from => return,
                Ok(record) => record,
                Err(error) => {
                    metrics.records_unreadable.add(1);
                    tracing::warn!(topic = %self.partition.topic(), partition = self.partition.index(),
                        %error, "a batch that cannot be read was passed over");
                    return;
                }
            };
            let offset = record.offset;
            match mapping::message(&record, &self.origin()) {
                Some(message) => self.offer_all(&mut state, &message.into(), offset),
                None => metrics.records_without_name.add(1),
            }
        });
        state.position = next;
        // Those given back with an offset that has been reached, heard of again or not.
        state.lagging.retain(|_, until| *until > next);
    }

    fn offer_all(self: &Arc<Self>, state: &mut State, message: &Dispatch, offset: i64) {
        let matched = state.cache.matches(message, &self.around.subscriptions);
        for matched in &*matched {
            let id = matched.subscriber.id();
            if state.lagging.get(&id).is_some_and(|until| offset < *until) {
                continue;
            }
            let Some(wanted) = self.wanted(message, matched) else { continue };
            if wanted.subscriber.offer(message, &wanted) == Offer::Taken {
                self.around.metrics.deliveries.add(1);
            } else if wanted.qos.min(message.qos) == QoS::AtMostOnce {
                self.around.metrics.deliveries_dropped.add(1);
            } else {
                state.lagging.insert(id, UNKNOWN);
                self.around.metrics.subscribers_lagging.add(1);
                let subscriber = Arc::clone(&wanted.subscriber);
                tokio::spawn(catch_up::run(Arc::clone(self), subscriber, offset));
            }
        }
    }

    /// The match, less what the subscriber does not want of its own client.
    fn wanted<'a>(
        &self,
        message: &Message,
        matched: &'a Matched,
    ) -> Option<std::borrow::Cow<'a, Matched>> {
        let publisher = message.publisher.as_deref();
        if !matched.any_no_local || publisher != Some(matched.subscriber.client_id()) {
            return Some(std::borrow::Cow::Borrowed(matched));
        }
        let id = matched.subscriber.id();
        let found = self.around.subscriptions.matches_of(id, &message.name, publisher);
        found.map(std::borrow::Cow::Owned)
    }

    fn origin(&self) -> Origin<'_> {
        Origin { routes: &self.around.routes, log_topic: self.partition.topic() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn matches(&mut self, message: &Message, all: &Subscriptions) -> Arc<[Matched]> {
        let generation = all.generation();
        if generation != self.generation || self.names.len() >= CACHED_NAMES_MAX {
            self.names.clear();
            self.generation = generation;
        }
        if let Some(known) = self.names.get(&message.name) {
            return Arc::clone(known);
        }
        let (found_at, found) = all.matches(&message.name);
        let found: Arc<[Matched]> = found.into();
        if found_at == self.generation {
            self.names.insert(Arc::clone(&message.name), Arc::clone(&found));
        }
        found
    }
}
