//! Making, changing and deleting topics.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::config::{TopicConfig, TopicDurability};
use super::core::{Committer, Core};
use super::files::directory;
use super::manifest::{PartitionImage, TopicImage};
use super::store::{OpenTopic, Store, TopicShared};
use super::wal::record::Event;
use crate::{LogError, NewTopic, Topic, TopicId, validate_topic_name};

/// Partitions over all topics. Each costs about 600 bytes of memory when it is idle: 60 MB.
const PARTITIONS_MAX: usize = 100_000;
/// Producer ids written down as given at a time.
const PRODUCER_IDS_BLOCK: i64 = 1000;

/// Directory to which a deleted partition's is renamed. Without the topic's name: with it the name might get too
/// long for a file system.
pub(super) fn grave(id: TopicId, index: u32) -> String {
    format!("{}-{index}{GRAVE_END}", id.0.simple())
}

/// What the names of such directories end in.
pub(super) const GRAVE_END: &str = "-delete";

/// Makes a topic's partitions in memory, from an index on.
pub(super) fn stores(shared: &Arc<TopicShared>, numbers: &[u64], from: usize) -> Vec<Arc<Store>> {
    let make = |(index, number): (usize, &u64)| {
        let image = PartitionImage::default();
        Arc::new(Store::new(shared.clone(), index as u32, *number, image))
    };
    numbers.iter().enumerate().skip(from).map(make).collect()
}

impl Core {
    fn topic_change(&self) -> Result<MutexGuard<'_, ()>, LogError> {
        let guard = self.topic_changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.accepting()?;
        Ok(guard)
    }

    /// Says whether a topic could be made, and with which configuration.
    pub(super) fn validate_new_topic(&self, new: &NewTopic) -> Result<TopicConfig, LogError> {
        validate_topic_name(&new.name)?;
        if self.topic(&new.name).is_ok() {
            return Err(LogError::TopicExists(new.name.as_str().into()));
        }
        if new.replication.is_some_and(|copies| copies != 1) {
            let text = "the embedded log keeps one copy: the replication factor must be 1";
            return Err(LogError::InvalidReplication(text.to_owned()));
        }
        self.validate_partitions(new.partitions.unwrap_or(self.options.default_partitions))?;
        let given = new.configs.iter().cloned().collect();
        TopicConfig::parse(given, self.options.segment_bytes_min)
    }

    fn validate_partitions(&self, more: u32) -> Result<(), LogError> {
        let text = if more == 0 {
            "a topic has at least one partition".to_owned()
        } else if self.stores().len() + more as usize > PARTITIONS_MAX {
            format!("the log holds at most {PARTITIONS_MAX} partitions")
        } else {
            return Ok(());
        };
        Err(LogError::InvalidPartitions(text))
    }

    /// Makes a topic.
    pub(super) fn create_topic(&self, new: &NewTopic) -> Result<Topic, LogError> {
        let _change = self.topic_change()?;
        let config = self.validate_new_topic(new)?;
        let dug = self.committer().graves.iter().any(|(_, name, _)| *name == new.name);
        if dug {
            // A recovery that still had to delete the old topic of this name could not tell the new one's files.
            self.checkpoint(false)?;
        }
        let id = TopicId(uuid::Uuid::new_v4());
        let count = new.partitions.unwrap_or(self.options.default_partitions);
        let first = self.committer().next_partition;
        let image = TopicImage {
            id: id.0,
            name: new.name.clone(),
            given: config.given.clone(),
            partitions: (first..first + u64::from(count)).collect(),
        };
        let shared = Arc::new(TopicShared::new(new.name.as_str().into(), id, config));
        let partitions = stores(&shared, &image.partitions, 0);
        let topic = OpenTopic { shared, partitions };
        let described = topic.describe();
        self.log_event(&Event::Topic(image), |committer| self.insert(committer, topic))?;
        Ok(described)
    }

    fn insert(&self, committer: &mut Committer, topic: OpenTopic) {
        let numbers = topic.partitions.iter().map(|store| store.number + 1);
        committer.next_partition = committer.next_partition.max(numbers.max().unwrap_or(0));
        self.topics.write().unwrap_or_else(PoisonError::into_inner).insert(topic);
    }

    /// Raises a topic's number of partitions.
    pub(super) fn create_partitions(&self, name: &str, total: u32) -> Result<Topic, LogError> {
        let _change = self.topic_change()?;
        let mut topic = self.topic(name)?;
        let have = topic.partitions.len() as u32;
        if total <= have {
            let text = format!("topic '{name}' has {have} partitions already");
            return Err(LogError::InvalidPartitions(text));
        }
        self.validate_partitions(total - have)?;
        let first = self.committer().next_partition;
        let mut image = topic.image();
        image.partitions.extend(first..first + u64::from(total - have));
        topic.partitions.extend(stores(&topic.shared, &image.partitions, have as usize));
        let described = topic.describe();
        self.log_event(&Event::Topic(image), |committer| self.insert(committer, topic))?;
        Ok(described)
    }

    /// Sets or resets configurations.
    pub(super) fn alter_topic(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
    ) -> Result<(), LogError> {
        let _change = self.topic_change()?;
        let topic = self.topic(name)?;
        let before = topic.shared.config();
        let mut given = before.given.clone();
        for (name, value) in changes {
            match value {
                Some(value) => given.insert(name, value),
                None => given.remove(&name),
            };
        }
        let config = TopicConfig::parse(given, self.options.segment_bytes_min)?;
        let mut image = topic.image();
        image.given.clone_from(&config.given);
        let mut committer = self.committer();
        if before.durability != config.durability {
            // What is written from now on promises something else, and must not be there without what is before it.
            self.sync_written()?;
            if before.durability == TopicDurability::Os {
                self.sync_topic(&topic.partitions)?;
            }
        }
        committer.write_event(self, &Event::Topic(image))?;
        topic.shared.set_config(config);
        drop(committer);
        self.sync_written()
    }

    /// Deletes a topic.
    pub(super) fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let _change = self.topic_change()?;
        let topic = self.topic(name)?;
        let lsn = self.log_event(&Event::TopicDeleted(topic.shared.id.0), |committer| {
            topic.shared.delete();
            for store in &topic.partitions {
                // Whoever holds one of these has looked before the topic was gone; let it finish.
                drop(store.admission());
                let mut chain = store.chain();
                chain.deleted = true;
                let bytes = chain.size_bytes();
                for segment in chain.segments.drain(..) {
                    self.files.forget(store.number, segment.base);
                }
                self.total_bytes.fetch_sub(bytes, std::sync::atomic::Ordering::Relaxed);
                drop(chain);
                store.wake();
            }
            self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            committer.wal.next_lsn()
        })?;
        let mut graves = Vec::new();
        for store in &topic.partitions {
            let grave = grave(topic.shared.id, store.index);
            match self.disk.rename(&directory(name, store.index), &grave) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "a deleted partition's directory stays");
                }
                // Also where nothing was ever written: the topic's name must not be used before the checkpoint.
                _ => {}
            }
            graves.push((lsn, name.to_owned(), grave));
        }
        self.committer().graves.extend(graves);
        self.want_maintenance();
        Ok(())
    }

    /// A producer id that was never given out before, over all restarts.
    pub(super) fn next_producer_id(&self) -> Result<i64, LogError> {
        self.accepting()?;
        let mut ids = self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.next == ids.end {
            let end = ids.end + PRODUCER_IDS_BLOCK;
            self.log_event(&Event::ProducerIds { end }, |_| ())?;
            ids.end = end;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }
}
