//! The log without its threads: steps that may be taken in any order by anybody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tokio::sync::watch;

use super::commit::Group;
use super::disk::Disk;
use super::files::Files;
use super::options::Options;
use super::queue::{Budget, Queue};
use super::store::{OpenTopic, Registry, Store};
use super::wal::record::Event;
use super::wal::{Wal, Written};
use crate::{LogError, Status};

/// Everything.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: Options,
    pub(super) cluster_id: String,
    /// Leader epoch of what is stored now.
    pub(super) epoch: i32,
    pub(super) files: Files,
    pub(super) topics: RwLock<Registry>,
    /// Held over a change of topics, from its check to its being durable.
    pub(super) topic_changes: Mutex<()>,
    pub(super) committer: Mutex<Committer>,
    pub(super) queue: Queue,
    pub(super) budget: Budget,
    pub(super) written: Arc<Written>,
    /// Number of the record up to which the write-ahead log is durable. Held while it is synced.
    pub(super) synced: Mutex<u64>,
    pub(super) groups: Groups,
    /// Held over a checkpoint. Counts them.
    pub(super) checkpoints: Mutex<u64>,
    pub(super) producer_ids: Mutex<ProducerIds>,
    /// Bytes of all segments.
    pub(super) total_bytes: AtomicU64,
    pub(super) status: watch::Sender<Status>,
    pub(super) maintenance: Maintenance,
    failure: OnceLock<LogError>,
    closed: AtomicBool,
}

/// Number of the checkpoint that a recovery stands for.
pub(super) const FIRST_CHECKPOINT: u64 = 1;

/// Who writes: one at a time.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) wal: Wal,
    /// Segments written since the last checkpoint.
    pub(super) dirty: Vec<(Arc<Store>, i64)>,
    /// Number of the checkpoint that began last.
    pub(super) checkpoint: u64,
    /// Directories were made in the data directory since the last checkpoint.
    pub(super) new_directories: bool,
    pub(super) next_partition: u64,
    /// Directories of deleted partitions: the checkpoint from which on a recovery does not know of them any more, the
    /// topic's name, the directory.
    pub(super) graves: Vec<(u64, String, String)>,
    /// Segments given up whose files a recovery would read through, likewise.
    pub(super) doomed: Vec<(u64, Arc<Store>, i64, u64)>,
    /// Bytes written without the write-ahead log since the last checkpoint began.
    pub(super) bypassed_bytes: u64,
}

/// Producer ids that may be given out.
#[derive(Debug)]
pub(super) struct ProducerIds {
    pub(super) next: i64,
    /// This and the ones after it may not yet.
    pub(super) end: i64,
}

/// Groups that wait for the sync.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) waiting: Mutex<VecDeque<Group>>,
    pub(super) filled: Condvar,
}

/// Tells the maintenance thread that there is something to do before its time.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    pub(super) wanted: Mutex<bool>,
    pub(super) changed: Condvar,
}

/// What recovery found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) cluster_id: String,
    pub(super) epoch: i32,
    pub(super) registry: Registry,
    pub(super) committer: Committer,
    pub(super) written: Arc<Written>,
    pub(super) producer_ids: i64,
}

impl Core {
    pub(super) fn new(disk: Arc<dyn Disk>, options: Options, found: Recovered) -> Self {
        let sizes = found.registry.by_name.values().flat_map(|topic| &topic.partitions);
        let kept: u64 = sizes.map(|store| store.chain().size_bytes()).sum();
        let total_bytes =
            kept + found.committer.doomed.iter().map(|(.., bytes)| bytes).sum::<u64>();
        Self {
            files: Files::new(disk.clone(), options.open_files),
            budget: Budget::new(options.pending_bytes),
            disk,
            options,
            cluster_id: found.cluster_id,
            epoch: found.epoch,
            topics: RwLock::new(found.registry),
            topic_changes: Mutex::default(),
            committer: Mutex::new(found.committer),
            queue: Queue::default(),
            written: found.written,
            synced: Mutex::new(0),
            groups: Groups::default(),
            checkpoints: Mutex::new(0),
            producer_ids: Mutex::new(ProducerIds {
                next: found.producer_ids,
                end: found.producer_ids,
            }),
            total_bytes: AtomicU64::new(total_bytes),
            status: watch::channel(Status::Ready).0,
            maintenance: Maintenance::default(),
            failure: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn committer(&self) -> MutexGuard<'_, Committer> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn topic(&self, name: &str) -> Result<OpenTopic, LogError> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.by_name.get(name).cloned().ok_or_else(|| LogError::UnknownTopic(name.into()))
    }

    pub(super) fn store(&self, topic: &str, index: u32) -> Result<Arc<Store>, LogError> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let Some(topic) = topics.by_name.get(topic) else {
            return Err(LogError::UnknownTopic(topic.into()));
        };
        topic.partitions.get(index as usize).cloned().ok_or_else(|| LogError::UnknownPartition {
            topic: Arc::clone(&topic.shared.name),
            index,
        })
    }

    /// All partitions there are.
    pub(super) fn stores(&self) -> Vec<Arc<Store>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.by_name.values().flat_map(|topic| topic.partitions.iter().cloned()).collect()
    }

    /// Whether the log takes anything.
    pub(super) fn accepting(&self) -> Result<(), LogError> {
        self.alive()?;
        if self.closed.load(Ordering::Acquire) { Err(LogError::Closed) } else { Ok(()) }
    }

    /// Whether the log may still write.
    pub(super) fn alive(&self) -> Result<(), LogError> {
        self.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Takes no more appends and changes.
    pub(super) fn stop_accepting(&self) {
        self.closed.store(true, Ordering::Release);
        self.stores().iter().for_each(|store| store.wake());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Stops for good: what the page cache holds can no longer be trusted. Reads go on.
    pub(super) fn fail(&self, error: &LogError) {
        if self.failure.set(error.clone()).is_ok() {
            tracing::error!(%error, "the log takes no more writes until the process is restarted");
            self.status.send_replace(Status::Failed(error.to_string()));
        }
    }

    /// Tells that there is no room, or that there is again.
    pub(super) fn set_space(&self, missing: Option<&LogError>) {
        self.status.send_if_modified(|status| match (missing, &*status) {
            (Some(error), Status::Ready) => {
                tracing::warn!(%error, "appends are refused until there is room");
                *status = Status::Unavailable(error.to_string());
                true
            }
            (None, Status::Unavailable(_)) => {
                tracing::info!("there is room again");
                *status = Status::Ready;
                true
            }
            _ => false,
        });
    }

    /// Writes an event, lets `apply` change what is in memory, and waits until the event is durable.
    pub(super) fn log_event<T>(
        &self,
        event: &Event,
        apply: impl FnOnce(&mut Committer) -> T,
    ) -> Result<T, LogError> {
        self.alive()?;
        let mut committer = self.committer();
        committer.write_event(self, event)?;
        let applied = apply(&mut committer);
        drop(committer);
        self.sync_written()?;
        Ok(applied)
    }

    /// Wakes the maintenance thread.
    pub(super) fn want_maintenance(&self) {
        *self.maintenance.wanted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.maintenance.changed.notify_all();
    }
}

impl Committer {
    /// Writes an event; anything but a want of room stops the log.
    pub(super) fn write_event(&mut self, core: &Core, event: &Event) -> Result<(), LogError> {
        self.wal.write_event(event).inspect_err(|error| match error {
            LogError::NoSpace(_) => core.set_space(Some(error)),
            _ => core.fail(error),
        })
    }
}
