//! The public face of the log as a whole.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::core::Core;
use super::disk::{Disk, RealDisk};
use super::{ConfigEntry, EmbeddedPartition, Options, threads};
use crate::{BoxFuture, Log, LogError, NewTopic, Partition, Status, Topic, TopicId};

/// A durable log in a directory of its own.
///
/// ```
/// use klamm_kafka_proto::records::BatchBuilder;
/// use klamm_log::{Durability, EmbeddedLog, Log, NewTopic, Options, Partition, Position};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), klamm_log::LogError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let directory = folder.path();
/// let log = EmbeddedLog::open(directory, Options::default()).await?;
/// log.create_topic(NewTopic { name: "readings".into(), ..NewTopic::default() }).await?;
/// let partition = log.open_partition("readings", 0)?;
///
/// let mut batch = BatchBuilder::new();
/// batch.append(1_700_000_000_000, Some(b"sensor"), Some(b"21.5"), &[]);
/// let appended = partition.append(batch.build(), Durability::Synced)?.await?;
/// assert_eq!(appended.base_offset, 0);
///
/// let mut reader = partition.reader(Position::Earliest).await?;
/// assert!(!reader.next(1 << 20).await?.is_empty());
/// log.close().await
/// # }
/// ```
///
/// Dropped without [`Log::close`] it finishes what was admitted; the next start then has the write-ahead log to read.
#[derive(Debug)]
pub struct EmbeddedLog {
    core: Arc<Core>,
    threads: Threads,
}

type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    // The task is neither aborted nor dropped, so it ends with a result unless it panicked or the runtime goes.
    spawn_blocking(act).await.unwrap_or(Err(LogError::Closed))
}

impl EmbeddedLog {
    /// Opens the log in `directory`, which is made if need be.
    ///
    /// # Errors
    /// [`LogError::Storage`] when another process has it (the text names directory and process) or the disk fails,
    /// [`LogError::Corrupt`] when what is there is not what was written.
    pub async fn open(directory: &Path, options: Options) -> Result<Arc<Self>, LogError> {
        let directory = directory.to_owned();
        blocking(move || {
            let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&directory)?);
            Self::open_now(&disk, options)
        })
        .await
    }

    /// Opens the log on any disk.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`].
    pub async fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Arc<Self>, LogError> {
        blocking(move || Self::open_now(&disk, options)).await
    }

    fn open_now(disk: &Arc<dyn Disk>, options: Options) -> Result<Arc<Self>, LogError> {
        disk.lock()?;
        let open = || {
            let core = Arc::new(Core::open(disk.clone(), options)?);
            if core.committer().wal.is_long() {
                core.want_maintenance();
            }
            let threads = Arc::new(Mutex::new(threads::start(&core)?));
            Ok(Arc::new(Self { core, threads }))
        };
        open().inspect_err(|_| disk.unlock())
    }

    #[cfg(test)]
    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// 22 characters that name this data directory for good: a random uuid in base64url.
    pub fn cluster_id(&self) -> &str {
        &self.core.cluster_id
    }

    /// All topics, by name, internal ones too.
    pub fn list(&self) -> Vec<Topic> {
        let topics = self.core.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.by_name.values().map(super::store::OpenTopic::describe).collect()
    }

    /// A topic by its name.
    pub fn find(&self, name: &str) -> Option<Topic> {
        self.core.topic(name).ok().map(|topic| topic.describe())
    }

    /// A topic by its id.
    pub fn find_by_id(&self, id: TopicId) -> Option<Topic> {
        let topics = self.core.topics.read().unwrap_or_else(PoisonError::into_inner);
        let name = topics.by_id.get(&id)?;
        topics.by_name.get(name).map(super::store::OpenTopic::describe)
    }

    /// A partition, at once.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`], [`LogError::UnknownPartition`].
    pub fn open_partition(
        &self,
        topic: &str,
        index: u32,
    ) -> Result<Arc<EmbeddedPartition>, LogError> {
        let store = self.core.store(topic, index)?;
        Ok(Arc::new(EmbeddedPartition::new(&self.core, &store)))
    }

    /// All configurations of a topic, with defaults.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`].
    pub fn describe_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, LogError> {
        Ok(self.core.topic(topic)?.shared.config().entries())
    }

    /// What [`Log::create_topic`] would say, without making the topic.
    ///
    /// # Errors
    /// Why the topic cannot be made.
    pub fn validate_new_topic(&self, topic: &NewTopic) -> Result<(), LogError> {
        self.core.validate_new_topic(topic).map(drop)
    }

    /// A producer id never given out before, over all restarts.
    pub fn next_producer_id(&self) -> BoxFuture<'_, Result<i64, LogError>> {
        let core = self.core.clone();
        Box::pin(blocking(move || core.next_producer_id()))
    }

    /// Where the log is, if it is in a directory.
    pub fn data_directory(&self) -> Option<&Path> {
        self.core.disk.directory()
    }
}

/// Ends the threads; they finish what was admitted. `false` when that was done before.
fn stop(core: &Core, threads: &Threads) -> bool {
    core.stop_accepting();
    threads::wake(core);
    let running = std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
    if running.is_empty() {
        return false;
    }
    for thread in running {
        let _ = thread.join();
    }
    // What was admitted while they ended. A failure is told to those who wait for it.
    while core.write_queued() {}
    let _ = core.sync_written();
    true
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if stop(&self.core, &self.threads) {
            self.core.disk.unlock();
        }
    }
}

impl Log for EmbeddedLog {
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, LogError>> {
        Box::pin(async { Ok(self.list()) })
    }

    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Topic, LogError>> {
        Box::pin(async move { Ok(self.core.topic(name)?.describe()) })
    }

    fn create_topic(&self, topic: NewTopic) -> BoxFuture<'_, Result<Topic, LogError>> {
        let core = self.core.clone();
        Box::pin(blocking(move || core.create_topic(&topic)))
    }

    fn create_partitions<'a>(
        &'a self,
        topic: &'a str,
        total: u32,
    ) -> BoxFuture<'a, Result<Topic, LogError>> {
        let (core, topic) = (self.core.clone(), topic.to_owned());
        Box::pin(blocking(move || core.create_partitions(&topic, total)))
    }

    fn alter_topic<'a>(
        &'a self,
        topic: &'a str,
        changes: Vec<(String, Option<String>)>,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        let (core, topic) = (self.core.clone(), topic.to_owned());
        Box::pin(blocking(move || core.alter_topic(&topic, changes)))
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<(), LogError>> {
        let (core, topic) = (self.core.clone(), topic.to_owned());
        Box::pin(blocking(move || core.delete_topic(&topic)))
    }

    fn partition<'a>(
        &'a self,
        topic: &'a str,
        index: u32,
    ) -> BoxFuture<'a, Result<Arc<dyn Partition>, LogError>> {
        Box::pin(async move {
            self.open_partition(topic, index).map(|partition| partition as Arc<dyn Partition>)
        })
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.core.status.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        let (core, threads) = (self.core.clone(), self.threads.clone());
        Box::pin(blocking(move || {
            if !stop(&core, &threads) {
                return Ok(());
            }
            let closed = core.checkpoint(true);
            core.disk.unlock();
            closed
        }))
    }
}
