//! Consumer handles and who reads what on them.
//!
//! A librdkafka consumer cannot have a partition assigned twice, and each costs threads and connections. So
//! there are a few handles, the *lanes*, and a reader of a partition takes a place for it on the first lane
//! where that partition is free. One reader for each partition, the usual case, needs one lane.
//!
//! ```text
//!             t/0   t/1   t/2
//!   lane 0     A     B     C        always open
//!   lane 1     D                    opened for the second reader of a partition, closed when idle
//!   ...                             `Options::lanes` at most
//! ```
//!
//! When a partition's places are all taken, whoever waits takes one away after [`TURN`]: first from a reader nobody
//! has called meanwhile, then from one that is still catching up, then from one at the end. That reader takes
//! a place again at its next call; it knows its position, so nothing is lost or read twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use klamm_log::LogError;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle as Runtime;
use tokio::sync::Notify;

use crate::context::Context;
use crate::error::{About, log_error};
use crate::health::Health;

mod lease;

pub(crate) use lease::{Lease, Slot};

/// How long a reader keeps its place while others wait for one.
const TURN: Duration = Duration::from_millis(50);
/// How long a lane's thread sleeps when there is nothing to do.
const POLL: Duration = Duration::from_millis(100);
/// Sleeps without a reader after which a lane is closed: half a minute.
const IDLE_POLLS: u32 = 300;

/// Topic and partition.
pub(crate) type Key = (Arc<str>, u32);
pub(crate) type LaneConsumer = BaseConsumer<Context>;

pub(crate) struct Lanes {
    config: ClientConfig,
    health: Arc<Health>,
    runtime: Runtime,
    table: Mutex<Table>,
    /// A place became free.
    freed: Notify,
    sequence: AtomicU64,
    closed: AtomicBool,
    itself: Weak<Self>,
}

#[derive(Default)]
struct Table {
    lanes: Vec<Lane>,
    /// For each partition, its place on each lane.
    places: HashMap<Key, Vec<Place>>,
}

#[derive(Default)]
struct Lane {
    open: Option<Open>,
    /// Places taken, reserved ones too.
    taken: usize,
}

struct Open {
    consumer: Arc<LaneConsumer>,
    stop: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Place {
    Free,
    /// Being assigned or given back.
    Reserved,
    Taken(Arc<Slot>),
}

impl Lanes {
    pub(crate) fn new(
        config: ClientConfig,
        lanes: usize,
        health: Arc<Health>,
        runtime: Runtime,
    ) -> Result<Arc<Self>, LogError> {
        let mut table = Table::default();
        table.lanes.resize_with(lanes.max(1), Lane::default);
        let lanes = Arc::new_cyclic(|itself| Self {
            config,
            health,
            runtime,
            table: Mutex::new(table),
            freed: Notify::new(),
            sequence: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            itself: Weak::clone(itself),
        });
        lanes.consumer(0)?;
        Ok(lanes)
    }

    /// Takes a place for a reader that goes on at `offset`. `wake` is told when there is something to read, or when
    /// the place was taken away.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        key: &Key,
        offset: i64,
        wake: &Arc<Notify>,
    ) -> Result<Lease, LogError> {
        let reservation = self.reserve(key).await?;
        let wake = Arc::clone(wake);
        let assigned = self.runtime.spawn_blocking(move || reservation.assign(offset, wake));
        assigned.await.unwrap_or(Err(LogError::Closed))
    }

    async fn reserve(self: &Arc<Self>, key: &Key) -> Result<Reservation, LogError> {
        let mut calls = HashMap::new();
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if self.closed.load(Ordering::Acquire) {
                return Err(LogError::Closed);
            }
            if let Some(lane) = self.table().reserve(key) {
                return Ok(Reservation {
                    lanes: Arc::clone(self),
                    key: key.clone(),
                    lane,
                    done: false,
                });
            }
            if tokio::time::timeout(TURN, freed).await.is_err() {
                self.revoke(key, &calls);
            }
            calls = self.table().slots(key).map(|slot| (slot.sequence, slot.calls())).collect();
        }
    }

    /// Takes a place away from the reader that needs it least.
    fn revoke(self: &Arc<Self>, key: &Key, calls_before: &HashMap<u64, u64>) {
        let table = self.table();
        let victim = table.slots(key).min_by_key(|slot| {
            let idle = !slot.is_called() && calls_before.get(&slot.sequence) == Some(&slot.calls());
            let rank = if idle { 0 } else { 1 + u8::from(slot.is_at_end()) };
            (rank, slot.sequence)
        });
        let victim = victim.map(Arc::clone);
        drop(table);
        if let Some(victim) = victim {
            self.give_back(&victim);
        }
    }

    /// Ends a place, once, on a thread that may block.
    fn give_back(self: &Arc<Self>, slot: &Arc<Slot>) {
        let Some(queue) = slot.end() else { return };
        self.table().set(&slot.key, slot.lane, Place::Reserved);
        let lanes = Arc::clone(self);
        let slot = Arc::clone(slot);
        self.runtime.spawn_blocking(move || {
            drop(queue);
            lanes.unassign(&slot.key, slot.lane);
            lanes.free(&slot.key, slot.lane);
        });
    }

    fn unassign(&self, (topic, partition): &Key, lane: usize) {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, *partition as i32);
        let consumer = self.table().consumer(lane);
        if let Some(consumer) = consumer
            && let Err(error) = consumer.incremental_unassign(&list)
        {
            tracing::debug!(%topic, partition, %error, "cannot unassign");
        }
    }

    fn free(&self, key: &Key, lane: usize) {
        self.table().free(key, lane);
        self.freed.notify_waiters();
    }

    /// The lane's consumer, opened if need be.
    fn consumer(&self, lane: usize) -> Result<Arc<LaneConsumer>, LogError> {
        let mut table = self.table();
        if let Some(consumer) = table.consumer(lane) {
            return Ok(consumer);
        }
        let context = Context { health: Arc::clone(&self.health) };
        let consumer: LaneConsumer = self
            .config
            .create_with_context(context)
            .map_err(|error| log_error(&error, About { topic: "", timeout_ms: 0 }))?;
        let consumer = Arc::new(consumer);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = (Arc::clone(&consumer), Arc::clone(&stop), Weak::clone(&self.itself));
        std::thread::Builder::new()
            .name(format!("klamm-kafka-{lane}"))
            .spawn(move || serve(lane, &thread.0, &thread.1, &thread.2))
            .map_err(|error| LogError::Storage {
                context: Arc::from("starting a thread"),
                error: Arc::new(error),
            })?;
        table.lanes[lane].open = Some(Open { consumer: Arc::clone(&consumer), stop });
        Ok(consumer)
    }

    /// The handle that is always there, for questions.
    pub(crate) fn first(&self) -> Result<Arc<LaneConsumer>, LogError> {
        self.table().consumer(0).ok_or(LogError::Closed)
    }

    /// Ends all places and handles; waiting readers are woken and told.
    pub(crate) fn close(self: &Arc<Self>) {
        self.closed.store(true, Ordering::Release);
        let slots: Vec<Arc<Slot>> = {
            let table = self.table();
            let places = table.places.values().flatten();
            places.filter_map(Place::slot).map(Arc::clone).collect()
        };
        for slot in &slots {
            slot.end();
        }
        for lane in &mut self.table().lanes {
            if let Some(open) = lane.open.take() {
                open.stop.store(true, Ordering::Release);
            }
        }
        self.freed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close_if_idle(&self, lane: usize) {
        let mut table = self.table();
        if table.lanes[lane].taken == 0
            && let Some(open) = table.lanes[lane].open.take()
        {
            open.stop.store(true, Ordering::Release);
        }
    }

    fn is_idle(&self, lane: usize) -> bool {
        lane > 0 && self.table().lanes[lane].taken == 0
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane's thread: takes logs and errors, and destroys the consumer in the end, which can block.
fn serve(lane: usize, consumer: &Arc<LaneConsumer>, stop: &AtomicBool, lanes: &Weak<Lanes>) {
    let mut idle_polls = 0;
    while !(stop.load(Ordering::Acquire) && Arc::strong_count(consumer) == 1) {
        if let Some(Err(error)) = consumer.poll(POLL) {
            tracing::debug!(lane, %error, "a consumer handle reports an error");
        }
        let Some(lanes) = lanes.upgrade() else {
            stop.store(true, Ordering::Release);
            continue;
        };
        idle_polls = if lanes.is_idle(lane) { idle_polls + 1 } else { 0 };
        if idle_polls >= IDLE_POLLS {
            lanes.close_if_idle(lane);
        }
    }
}

impl Table {
    fn consumer(&self, lane: usize) -> Option<Arc<LaneConsumer>> {
        self.lanes[lane].open.as_ref().map(|open| Arc::clone(&open.consumer))
    }

    fn reserve(&mut self, key: &Key) -> Option<usize> {
        let count = self.lanes.len();
        let places = self.places.entry(key.clone()).or_insert_with(|| vec![Place::Free; count]);
        let lane = places.iter().position(|place| matches!(place, Place::Free))?;
        places[lane] = Place::Reserved;
        self.lanes[lane].taken += 1;
        Some(lane)
    }

    fn set(&mut self, key: &Key, lane: usize, place: Place) {
        if let Some(places) = self.places.get_mut(key) {
            places[lane] = place;
        }
    }

    fn free(&mut self, key: &Key, lane: usize) {
        self.set(key, lane, Place::Free);
        self.lanes[lane].taken -= 1;
        let unused = |places: &Vec<Place>| places.iter().all(|place| matches!(place, Place::Free));
        if self.places.get(key).is_some_and(unused) {
            self.places.remove(key);
        }
    }

    fn slots(&self, key: &Key) -> impl Iterator<Item = &Arc<Slot>> {
        self.places.get(key).into_iter().flatten().filter_map(Place::slot)
    }
}

impl Place {
    fn slot(&self) -> Option<&Arc<Slot>> {
        match self {
            Self::Taken(slot) => Some(slot),
            Self::Free | Self::Reserved => None,
        }
    }
}

/// A place that nobody else gets, until it is assigned or dropped.
struct Reservation {
    lanes: Arc<Lanes>,
    key: Key,
    lane: usize,
    done: bool,
}

impl Reservation {
    fn assign(mut self, offset: i64, wake: Arc<Notify>) -> Result<Lease, LogError> {
        let consumer = self.lanes.consumer(self.lane)?;
        let (topic, partition) = (&self.key.0, self.key.1 as i32);
        let about = About { topic, timeout_ms: 0 };
        // Before it is assigned, so that no record takes the way through the handle's common queue.
        let mut queue = consumer.split_partition_queue(topic, partition).ok_or(LogError::Closed)?;
        let waker = Arc::clone(&wake);
        queue.set_nonempty_callback(move || waker.notify_one());
        assign(&consumer, topic, partition, offset).map_err(|error| log_error(&error, about))?;
        let sequence = self.lanes.sequence.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot::new(self.key.clone(), self.lane, sequence, queue, wake));
        self.lanes.table().set(&self.key, self.lane, Place::Taken(Arc::clone(&slot)));
        self.done = true;
        Ok(Lease::new(slot, Arc::clone(&self.lanes)))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.done {
            self.lanes.free(&self.key, self.lane);
        }
    }
}

fn assign(
    consumer: &LaneConsumer,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    consumer.incremental_assign(&list)
}

/// What [`Slot`] holds.
pub(crate) type Queue = PartitionQueue<Context>;

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("places", &self.table().places.len()).finish_non_exhaustive()
    }
}
