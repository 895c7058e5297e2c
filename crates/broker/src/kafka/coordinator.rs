//! The group coordinator: groups and committed offsets, kept in the topic `__consumer_offsets`.
//!
//! ```text
//! request --> table (memory) --append--> __consumer_offsets --durable--> answer
//!               ^                              |
//!               +--------- read at start ------+   snapshot: the whole table again, then the rest is given up
//! ```
//!
//! Under the table's lock a change is appended first and made in the table then, so the table is always what a reader
//! of the topic would end up with. Whoever reads the table waits until what it read is durable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_kafka_proto::{ErrorCode, Response};
use klamm_log::{EmbeddedLog, EmbeddedPartition, Log, LogError, NewTopic, Partition, Status};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::group::Output;
use crate::metrics::Metrics;

mod committed;
mod driver;
mod load;
mod membership;
mod offsets;
mod snapshot;
mod table;

pub(crate) use committed::{Committed, Offsets};
pub(crate) use offsets::{Commit, Committer, Refused};
pub(crate) use table::GroupView;
use table::{Entry, Table};

/// Kafka's name for it, by which tools know it.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The largest record: a group's metadata. Kafka's own limit of 1 MiB is what large groups of Kafka Streams run into.
const OFFSETS_RECORD_BYTES_MAX: usize = 8 << 20; // an eighth of what the log holds before it is durable
/// Small segments, so that a snapshot gives disk space back.
const OFFSETS_SEGMENT_BYTES: usize = 16 << 20; // twice the largest record

/// Bounds of the coordinator.
#[derive(Debug, Clone)]
pub(crate) struct GroupLimits {
    /// Members of a group (`group.max.size`).
    pub(crate) group_size_max: usize,
    /// Groups in all.
    pub(crate) groups_max: usize,
    /// Bytes of memory for all groups, members and offsets.
    pub(crate) table_bytes_max: u64,
    /// How long offsets are kept once their group is empty, in milliseconds (`offsets.retention.minutes`).
    pub(crate) offsets_retention_ms: i64,
    /// Bytes written since the last snapshot that the next one waits for, if they are also four times the table.
    pub(crate) snapshot_bytes_min: u64,
}

/// Who waits for an answer.
pub(crate) type Waiter = oneshot::Sender<Response>;

/// Groups and their offsets.
#[derive(Debug)]
pub(crate) struct Coordinator {
    table: Mutex<Table>,
    partition: Arc<EmbeddedPartition>,
    limits: GroupLimits,
    clock: Clock,
    /// Whether the log still takes appends.
    status: watch::Receiver<Status>,
    /// A deadline came nearer.
    wake: Arc<Notify>,
    metrics: Arc<Metrics>,
    _driver: DropGuard,
}

/// Milliseconds since 1970 that never go back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    fn start() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let started_ms = since.map_or(0, |since| since.as_millis() as i64);
        Self { started: Instant::now(), started_ms }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.started_ms + self.started.elapsed().as_millis() as i64
    }

    /// The moment at `ms`.
    fn at(&self, ms: i64) -> Instant {
        let after_ms = u64::try_from(ms - self.started_ms).unwrap_or_default();
        self.started + std::time::Duration::from_millis(after_ms)
    }
}

impl Coordinator {
    /// Opens the topic, making it if need be, and reads it. Offsets of topics that are gone are dropped.
    ///
    /// # Errors
    /// What the log says.
    pub(crate) async fn open(
        log: &Arc<EmbeddedLog>,
        limits: GroupLimits,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, LogError> {
        if log.find(OFFSETS_TOPIC).is_none() {
            log.create_topic(offsets_topic()).await?;
        }
        let partition = log.open_partition(OFFSETS_TOPIC, 0)?;
        let clock = Clock::start();
        let table = load::load(&partition, &limits, clock.now_ms()).await?;
        let stop = CancellationToken::new();
        let wake = Arc::new(Notify::new());
        metrics.kafka_groups.add(table.groups.len() as u64);
        let this = Arc::new(Self {
            table: Mutex::new(table),
            partition,
            limits,
            clock,
            status: log.status(),
            wake: Arc::clone(&wake),
            metrics,
            _driver: stop.clone().drop_guard(),
        });
        for topic in this.topics() {
            if log.find(&topic).is_none() {
                this.forget_topic(&topic).await?;
            }
        }
        tokio::spawn(driver::run(Arc::downgrade(&this), wake, stop));
        Ok(this)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that appends, again and again while the log has no room. Nothing may have changed when
    /// [`LogError::Full`] comes back.
    async fn with_room<R>(
        &self,
        mut change: impl FnMut(&mut Table) -> Result<R, LogError>,
    ) -> Result<R, LogError> {
        loop {
            let changed = change(&mut self.table());
            match changed {
                Err(LogError::Full) => self.partition.ready().await,
                other => return other,
            }
        }
    }

    /// Waits until what was appended before `offset` is durable.
    async fn durable(&self, offset: i64) -> Result<(), ErrorCode> {
        if self.partition.high_watermark() >= offset {
            return Ok(());
        }
        let (mut watch, mut status) = (self.partition.watch(), self.status.clone());
        // A log that failed will not make anything durable any more.
        tokio::select! {
            reached = watch.wait_for(|high_watermark| *high_watermark >= offset) => {
                reached.map(drop).map_err(|_| ErrorCode::CoordinatorNotAvailable)
            }
            _ = status.wait_for(|status| matches!(status, Status::Failed(_))) => {
                Err(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }

    /// Hands out what a group says, starts what it wants stored, and minds its next deadline.
    fn settle(self: &Arc<Self>, table: &mut Table, group_id: &Arc<str>) {
        let Some(entry) = table.groups.get_mut(group_id) else { return };
        while let Some(output) = entry.group.poll_output() {
            match output {
                // Nobody listening is a client that went away: its session will tell.
                Output::Join(waiter, response) => drop(waiter.send(response.into())),
                Output::Sync(waiter, response) => drop(waiter.send(response.into())),
                Output::Store => {
                    let generation = entry.group.generation();
                    tokio::spawn(Arc::clone(self).store(Arc::clone(group_id), generation));
                }
            }
        }
        table.count_members(group_id);
        if table.schedule(group_id) {
            self.wake.notify_one();
        }
    }

    /// Stores a generation, if it is still the group's, and tells the group.
    async fn store(self: Arc<Self>, group_id: Arc<str>, generation: i32) {
        let now_ms = self.now_ms();
        let appended = self.with_room(|table| {
            let moved_on = |entry: &Entry| entry.group.generation() != generation;
            match table.groups.get(&group_id) {
                None => Ok(None),
                Some(entry) if moved_on(entry) => Ok(None),
                Some(_) => table.append_group(&*self.partition, &group_id, now_ms).map(Some),
            }
        });
        let stored = match appended.await {
            Ok(None) => return,
            Ok(Some(pending)) => pending.await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = &stored {
            tracing::warn!(group = %group_id, generation, %error, "cannot store a group");
        }
        {
            let mut table = self.table();
            if let Some(entry) = table.groups.get_mut(&group_id) {
                entry.group.handle_stored(self.now_ms(), generation, stored.is_ok());
                self.settle(&mut table, &group_id);
            }
        }
        self.snapshot_if_due();
    }
}

fn offsets_topic() -> NewTopic {
    let config = |name: &str, value: String| (name.to_owned(), value);
    NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: Some(1),
        replication: None,
        configs: vec![
            config("retention.ms", "-1".to_owned()),
            config("retention.bytes", "-1".to_owned()),
            config("segment.bytes", OFFSETS_SEGMENT_BYTES.to_string()),
            config("max.message.bytes", OFFSETS_RECORD_BYTES_MAX.to_string()),
        ],
    }
}

#[cfg(test)]
mod tests;
