//! What the log holds in memory of a topic and of a partition.
//!
//! Locks, in the order in which they may be taken: topic changes, committer, admission, chain, open files.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tokio::sync::watch;

use super::chain::Chain;
use super::config::TopicConfig;
use super::files::Which;
use super::manifest::{PartitionImage, TopicImage};
use super::producers::Producers;
use crate::{LogError, Topic, TopicId};

/// What all partitions of a topic share.
#[derive(Debug)]
pub(super) struct TopicShared {
    pub(super) name: Arc<str>,
    pub(super) id: TopicId,
    config: RwLock<Arc<TopicConfig>>,
    deleted: AtomicBool,
}

/// A topic with its partitions.
#[derive(Debug, Clone)]
pub(super) struct OpenTopic {
    pub(super) shared: Arc<TopicShared>,
    pub(super) partitions: Vec<Arc<Store>>,
}

/// All topics.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) by_name: BTreeMap<Arc<str>, OpenTopic>,
    pub(super) by_id: HashMap<TopicId, Arc<str>>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) topic: Arc<TopicShared>,
    pub(super) index: u32,
    /// Never used again for another partition.
    pub(super) number: u64,
    pub(super) admission: Mutex<Admission>,
    pub(super) chain: Mutex<Chain>,
    high_watermark: AtomicI64,
    log_start: AtomicI64,
    // Made when somebody watches: most partitions are watched by nobody, and a channel costs half a kilobyte.
    watch: OnceLock<watch::Sender<i64>>,
}

/// What decides over the next append.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Offset that the next record gets.
    pub(super) next_offset: i64,
    pub(super) producers: Producers,
    /// Grows when admitted batches are refused for want of room: their successors cannot be written either.
    pub(super) generation: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TopicShared {
    /// The process's own bookkeeping, by Kafka's convention for names.
    pub(super) fn is_internal(&self) -> bool {
        self.name.starts_with("__")
    }

    pub(super) fn new(name: Arc<str>, id: TopicId, config: TopicConfig) -> Self {
        let config = RwLock::new(Arc::new(config));
        Self { name, id, config, deleted: AtomicBool::new(false) }
    }

    pub(super) fn config(&self) -> Arc<TopicConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_config(&self, config: TopicConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Marks it deleted; whoever waits on its partitions is to be woken.
    pub(super) fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
    }

    pub(super) fn alive(&self) -> Result<(), LogError> {
        if self.is_deleted() { Err(LogError::UnknownTopic(self.name.clone())) } else { Ok(()) }
    }
}

impl OpenTopic {
    pub(super) fn describe(&self) -> Topic {
        Topic {
            name: self.shared.name.clone(),
            id: self.shared.id,
            partitions: self.partitions.len() as u32,
            internal: self.shared.is_internal(),
        }
    }

    pub(super) fn image(&self) -> TopicImage {
        TopicImage {
            id: self.shared.id.0,
            name: self.shared.name.to_string(),
            given: self.shared.config().given.clone(),
            partitions: self.partitions.iter().map(|store| store.number).collect(),
        }
    }
}

impl Registry {
    pub(super) fn insert(&mut self, topic: OpenTopic) {
        self.by_id.insert(topic.shared.id, topic.shared.name.clone());
        self.by_name.insert(topic.shared.name.clone(), topic);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<OpenTopic> {
        let topic = self.by_name.remove(name)?;
        self.by_id.remove(&topic.shared.id);
        Some(topic)
    }
}

impl Store {
    pub(super) fn new(
        topic: Arc<TopicShared>,
        index: u32,
        number: u64,
        image: PartitionImage,
    ) -> Self {
        let mut producers = Producers::default();
        for (id, producer) in image.producers {
            producers.insert(id, producer);
        }
        let (log_start, end) = (image.log_start, image.end);
        let chain = Chain::new(log_start, end, image.segments, image.epochs);
        Self {
            topic,
            index,
            number,
            admission: Mutex::new(Admission { next_offset: end, producers, generation: 0 }),
            chain: Mutex::new(chain),
            high_watermark: AtomicI64::new(end),
            log_start: AtomicI64::new(log_start),
            watch: OnceLock::new(),
        }
    }

    pub(super) fn admission(&self) -> MutexGuard<'_, Admission> {
        locked(&self.admission)
    }

    pub(super) fn chain(&self) -> MutexGuard<'_, Chain> {
        locked(&self.chain)
    }

    /// State as far as it is written, for the manifest.
    pub(super) fn image(&self) -> PartitionImage {
        let admission = self.admission();
        let chain = self.chain();
        let mut producers = admission.producers.clone();
        // Batches that are admitted and not written yet come back from the write-ahead log, or not at all.
        producers.truncate(chain.end);
        PartitionImage {
            log_start: chain.log_start,
            end: chain.end,
            segments: chain.segments.iter().filter(|s| s.bytes > 0).cloned().collect(),
            epochs: chain.epochs.list().to_vec(),
            producers: producers.iter().map(|(id, producer)| (id, producer.clone())).collect(),
        }
    }

    pub(super) fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    pub(super) fn log_start(&self) -> i64 {
        self.log_start.load(Ordering::Acquire)
    }

    /// Takes over what the chain says, once it is so.
    pub(super) fn set_log_start(&self, offset: i64) {
        self.log_start.fetch_max(offset, Ordering::AcqRel);
    }

    /// Shows readers the records before `offset`.
    pub(super) fn publish(&self, offset: i64) {
        self.high_watermark.fetch_max(offset, Ordering::AcqRel);
        if let Some(watch) = self.watch.get() {
            watch.send_if_modified(|shown| {
                let higher = offset > *shown;
                *shown = offset.max(*shown);
                higher
            });
        }
    }

    /// The high watermark as it moves.
    pub(super) fn watch(&self) -> watch::Receiver<i64> {
        let receiver =
            self.watch.get_or_init(|| watch::channel(self.high_watermark()).0).subscribe();
        // It may have moved between the look at it and the channel's being there.
        self.publish(self.high_watermark());
        receiver
    }

    /// Wakes whoever watches, to find that the topic or the log is gone.
    pub(super) fn wake(&self) {
        if let Some(watch) = self.watch.get() {
            watch.send_modify(|_| {});
        }
    }

    pub(super) fn which(&self, base: i64) -> Which<'_> {
        Which { topic: &self.topic.name, index: self.index, partition: self.number, base }
    }
}
