//! The simplest log that keeps its promises: each append is written and synced where it is made.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use klamm_kafka_proto::records::{self, BatchHeader, Validation};
use tokio::sync::watch;

use super::config::TopicConfig;
use super::producers::{Producers, Verdict};
use super::{ConfigEntry, Options, Read};
use crate::{
    Appended, BoxFuture, Durability, Log, LogError, NewTopic, OffsetSpec, Partition, Pending,
    Position, Reader, Status, TimestampedOffset, Topic, TopicId, validate_topic_name,
};

/// A log in a directory of its own.
#[derive(Debug)]
pub struct EmbeddedLog {
    directory: PathBuf,
    options: Options,
    cluster_id: String,
    topics: RwLock<BTreeMap<Arc<str>, OpenTopic>>,
    status: watch::Sender<Status>,
    next_producer_id: AtomicI64,
}

#[derive(Debug, Clone)]
struct OpenTopic {
    topic: Topic,
    config: Arc<TopicConfig>,
    partitions: Vec<Arc<EmbeddedPartition>>,
}

/// A partition of an [`EmbeddedLog`].
#[derive(Debug)]
pub struct EmbeddedPartition {
    topic: Arc<str>,
    id: TopicId,
    index: u32,
    this: std::sync::Weak<Self>,
    config: RwLock<Arc<TopicConfig>>,
    deleted: AtomicBool,
    state: Mutex<State>,
    high_watermark: watch::Sender<i64>,
}

#[derive(Debug)]
struct State {
    file: File,
    batches: Vec<(BatchHeader, Bytes)>,
    producers: Producers,
    log_start: i64,
    next: i64,
}

fn storage(context: &str) -> impl FnOnce(std::io::Error) -> LogError {
    let context = Arc::from(context);
    move |error| LogError::Storage { context, error: Arc::new(error) }
}

impl EmbeddedLog {
    /// Opens the log in `directory`, which is made if need be.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub async fn open(directory: &Path, options: Options) -> Result<Arc<Self>, LogError> {
        fs::create_dir_all(directory).map_err(storage("making the data directory"))?;
        let id_path = directory.join("cluster");
        let cluster_id = fs::read_to_string(&id_path).unwrap_or_else(|_| {
            let id = uuid::Uuid::new_v4().simple().to_string();
            id[..22].to_owned()
        });
        fs::write(&id_path, &cluster_id).map_err(storage("writing the cluster id"))?;
        let log = Self {
            directory: directory.to_owned(),
            options,
            cluster_id,
            topics: RwLock::default(),
            status: watch::channel(Status::Ready).0,
            next_producer_id: AtomicI64::new(1000),
        };
        if let Ok(text) = fs::read_to_string(directory.join("topics")) {
            for line in text.lines() {
                log.load(line)?;
            }
        }
        Ok(Arc::new(log))
    }

    fn load(&self, line: &str) -> Result<(), LogError> {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (name, id, partitions) = (word(), word(), word());
        let given = words.filter_map(|w| w.split_once('='));
        let given = given.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let topic = Topic {
            internal: name.starts_with("__"),
            name: name.into(),
            id: TopicId(id.parse().unwrap_or_default()),
            partitions: partitions.parse().unwrap_or(1),
        };
        self.insert(topic, TopicConfig::parse(given, self.options.segment_bytes_min)?)
    }

    fn insert(&self, topic: Topic, config: TopicConfig) -> Result<(), LogError> {
        let config = Arc::new(config);
        let open = |index| EmbeddedPartition::open(&self.directory, &topic, index, &config);
        let partitions = (0..topic.partitions).map(open).collect::<Result<_, _>>()?;
        let open = OpenTopic { topic: topic.clone(), config, partitions };
        self.topics.write().unwrap().insert(topic.name.clone(), open);
        Ok(())
    }

    fn save(&self) -> Result<(), LogError> {
        let mut text = String::new();
        for open in self.topics.read().unwrap().values() {
            let Topic { name, id, partitions, .. } = &open.topic;
            text += &format!("{name} {} {partitions}", id.0);
            for (key, value) in &open.config.given {
                text += &format!(" {key}={value}");
            }
            text += "\n";
        }
        fs::write(self.directory.join("topics"), text).map_err(storage("writing the topics"))
    }

    /// 22 characters that name this data directory for good.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// All topics, by name, internal ones too.
    pub fn list(&self) -> Vec<Topic> {
        self.topics.read().unwrap().values().map(|open| open.topic.clone()).collect()
    }

    /// A topic by its name.
    pub fn find(&self, name: &str) -> Option<Topic> {
        self.topics.read().unwrap().get(name).map(|open| open.topic.clone())
    }

    /// A topic by its id.
    pub fn find_by_id(&self, id: TopicId) -> Option<Topic> {
        self.list().into_iter().find(|topic| topic.id == id)
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
        let open = self.open_topic(topic)?;
        let partition = open.partitions.get(index as usize).cloned();
        partition.ok_or(LogError::UnknownPartition { topic: open.topic.name, index })
    }

    fn open_topic(&self, name: &str) -> Result<OpenTopic, LogError> {
        let found = self.topics.read().unwrap().get(name).cloned();
        found.ok_or_else(|| LogError::UnknownTopic(name.into()))
    }

    /// All configurations of a topic.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`].
    pub fn describe_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, LogError> {
        Ok(self.open_topic(topic)?.config.entries())
    }

    /// What [`Log::create_topic`] would say, without making the topic.
    ///
    /// # Errors
    /// Why the topic cannot be made.
    pub fn validate_new_topic(&self, topic: &NewTopic) -> Result<(), LogError> {
        validate_topic_name(&topic.name)?;
        if self.find(&topic.name).is_some() {
            return Err(LogError::TopicExists(topic.name.as_str().into()));
        }
        if topic.partitions == Some(0) {
            return Err(LogError::InvalidPartitions("a topic has at least one partition".into()));
        }
        if topic.replication.is_some_and(|copies| copies != 1) {
            return Err(LogError::InvalidReplication("the embedded log keeps one copy".into()));
        }
        let given = topic.configs.iter().cloned().collect();
        TopicConfig::parse(given, self.options.segment_bytes_min).map(drop)
    }

    /// A producer id never given before.
    pub fn next_producer_id(&self) -> BoxFuture<'_, Result<i64, LogError>> {
        let id = self.next_producer_id.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(id) })
    }

    /// Where the log is, if it is in a directory.
    pub fn data_directory(&self) -> Option<&Path> {
        Some(&self.directory)
    }
}

impl EmbeddedPartition {
    fn open(
        directory: &Path,
        topic: &Topic,
        index: u32,
        config: &Arc<TopicConfig>,
    ) -> Result<Arc<Self>, LogError> {
        let folder = directory.join(format!("{}-{index}", topic.name));
        fs::create_dir_all(&folder).map_err(storage("making a partition's folder"))?;
        let path = folder.join(format!("{:020}.log", 0));
        let bytes = fs::read(&path).unwrap_or_default();
        let (mut batches, mut producers, mut length) = (Vec::new(), Producers::default(), 0);
        for batch in records::batches(bytes.into()) {
            let Ok((header, bytes)) = batch else { break };
            if header.verify(&bytes).is_err() {
                break;
            }
            length += bytes.len() as u64;
            producers.record(&header, header.base_offset, header.max_timestamp);
            batches.push((header, bytes));
        }
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(storage("opening a segment"))?;
        file.set_len(length).map_err(storage("cutting a segment"))?;
        let next = batches.last().map_or(0, |(header, _)| header.next_offset());
        Ok(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            topic: topic.name.clone(),
            id: topic.id,
            index,
            config: RwLock::new(config.clone()),
            deleted: AtomicBool::new(false),
            state: Mutex::new(State { file, batches, producers, log_start: 0, next }),
            high_watermark: watch::channel(next).0,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> Result<(), LogError> {
        if self.deleted.load(Ordering::Acquire) {
            return Err(LogError::UnknownTopic(self.topic.clone()));
        }
        Ok(())
    }

    /// Identity of the topic.
    pub fn topic_id(&self) -> TopicId {
        self.id
    }

    /// Epoch in which batches are stored now.
    pub fn leader_epoch(&self) -> i32 {
        0
    }

    /// First offset kept.
    pub fn log_start_offset(&self) -> i64 {
        self.state().log_start
    }

    /// Offset of the next record that readers will see.
    pub fn high_watermark(&self) -> i64 {
        *self.high_watermark.borrow()
    }

    /// Bytes on disk.
    pub fn size_bytes(&self) -> u64 {
        self.state().batches.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Whole batches from the one that holds `offset` on, at most `max_bytes` unless the first alone is larger.
    /// Never waits for new ones.
    pub fn read(&self, offset: i64, max_bytes: usize) -> BoxFuture<'_, Result<Read, LogError>> {
        let result = self.read_now(offset, max_bytes);
        Box::pin(async move { result })
    }

    fn read_now(&self, offset: i64, max_bytes: usize) -> Result<Read, LogError> {
        self.alive()?;
        let state = self.state();
        let (start, end) = (state.log_start, state.next);
        if offset < start || offset > end {
            return Err(LogError::OffsetOutOfRange { offset, start, end });
        }
        let mut bytes = Vec::new();
        let from = state.batches.partition_point(|(header, _)| header.last_offset() < offset);
        for (_, batch) in &state.batches[from..] {
            if !bytes.is_empty() && bytes.len() + batch.len() > max_bytes {
                break;
            }
            bytes.extend_from_slice(batch);
        }
        Ok(Read { bytes: bytes.into(), high_watermark: end, log_start_offset: start })
    }

    /// The high watermark as it moves. When the topic is deleted it is marked changed.
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.high_watermark.subscribe()
    }

    /// The largest epoch that is not above `epoch`, and the offset after its last record; (-1, -1) when
    /// the epoch is not known (OffsetForLeaderEpoch).
    pub fn end_offset_of_epoch(&self, epoch: i32) -> (i32, i64) {
        if epoch == 0 { (0, self.high_watermark()) } else { (-1, -1) }
    }

    fn append_now(&self, batch: &Bytes) -> Result<Appended, LogError> {
        self.alive()?;
        let max = self.config.read().unwrap().max_message_bytes;
        if batch.len() > max {
            return Err(LogError::TooLarge { bytes: batch.len(), max });
        }
        let mut header = records::validate(batch, Validation::default())?;
        let mut state = self.state();
        let log_start_offset = state.log_start;
        let appended =
            |base_offset| Appended { base_offset, log_append_time: None, log_start_offset };
        if let Verdict::Duplicate(sent) = state.producers.check(&header)? {
            return Ok(appended(sent.base_offset));
        }
        let base_offset = state.next;
        let mut bytes = batch.to_vec();
        BatchHeader::patch(&mut bytes, base_offset, 0);
        let write = state.file.write_all(&bytes).and_then(|()| state.file.sync_data());
        write.map_err(storage("appending"))?;
        header.base_offset = base_offset;
        state.producers.record(&header, base_offset, header.max_timestamp);
        state.next = header.next_offset();
        state.batches.push((header, bytes.into()));
        self.high_watermark.send_replace(state.next);
        Ok(appended(base_offset))
    }

    fn list_offset_now(&self, spec: OffsetSpec) -> Result<TimestampedOffset, LogError> {
        self.alive()?;
        let state = self.state();
        let plain = |offset| TimestampedOffset { offset, timestamp: -1 };
        let first = |wanted: &dyn Fn(i64) -> bool| {
            for (_, batch) in &state.batches {
                for record in records::records(batch, 64 << 20)?.flatten() {
                    if wanted(record.timestamp) && record.offset >= state.log_start {
                        let (offset, timestamp) = (record.offset, record.timestamp);
                        return Ok(TimestampedOffset { offset, timestamp });
                    }
                }
            }
            Ok(plain(-1))
        };
        match spec {
            OffsetSpec::Earliest => Ok(plain(state.log_start)),
            OffsetSpec::Latest => Ok(plain(state.next)),
            OffsetSpec::Timestamp(from) => first(&|timestamp| timestamp >= from),
            OffsetSpec::MaxTimestamp => {
                let max = state.batches.iter().map(|(header, _)| header.max_timestamp).max();
                first(&|timestamp| Some(timestamp) == max)
            }
        }
    }

    fn delete_records_now(&self, before: i64) -> Result<i64, LogError> {
        self.alive()?;
        let mut state = self.state();
        let (start, end) = (state.log_start, state.next);
        let before = if before == -1 { end } else { before };
        if before > end || before < 0 {
            return Err(LogError::OffsetOutOfRange { offset: before, start, end });
        }
        state.log_start = before.max(start);
        Ok(state.log_start)
    }
}

impl Log for EmbeddedLog {
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, LogError>> {
        Box::pin(async { Ok(self.list()) })
    }

    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Topic, LogError>> {
        Box::pin(async move { Ok(self.open_topic(name)?.topic) })
    }

    fn create_topic(&self, new: NewTopic) -> BoxFuture<'_, Result<Topic, LogError>> {
        Box::pin(async move {
            self.validate_new_topic(&new)?;
            let given = new.configs.into_iter().collect();
            let topic = Topic {
                internal: new.name.starts_with("__"),
                name: new.name.into(),
                id: TopicId(uuid::Uuid::new_v4()),
                partitions: new.partitions.unwrap_or(self.options.default_partitions),
            };
            let config = TopicConfig::parse(given, self.options.segment_bytes_min)?;
            self.insert(topic.clone(), config)?;
            self.save()?;
            Ok(topic)
        })
    }

    fn create_partitions<'a>(
        &'a self,
        topic: &'a str,
        total: u32,
    ) -> BoxFuture<'a, Result<Topic, LogError>> {
        Box::pin(async move {
            let mut open = self.open_topic(topic)?;
            let have = open.topic.partitions;
            if total <= have {
                let text = format!("topic '{topic}' has {have} partitions already");
                return Err(LogError::InvalidPartitions(text));
            }
            open.topic.partitions = total;
            for index in have..total {
                let one =
                    EmbeddedPartition::open(&self.directory, &open.topic, index, &open.config)?;
                open.partitions.push(one);
            }
            let answer = open.topic.clone();
            self.topics.write().unwrap().insert(answer.name.clone(), open);
            self.save()?;
            Ok(answer)
        })
    }

    fn alter_topic<'a>(
        &'a self,
        topic: &'a str,
        changes: Vec<(String, Option<String>)>,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let mut open = self.open_topic(topic)?;
            let mut given = open.config.given.clone();
            for (name, value) in changes {
                match value {
                    Some(value) => given.insert(name, value),
                    None => given.remove(&name),
                };
            }
            open.config = Arc::new(TopicConfig::parse(given, self.options.segment_bytes_min)?);
            for partition in &open.partitions {
                *partition.config.write().unwrap() = open.config.clone();
            }
            self.topics.write().unwrap().insert(open.topic.name.clone(), open);
            self.save()
        })
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let open = self.topics.write().unwrap().remove(topic);
            let open = open.ok_or_else(|| LogError::UnknownTopic(topic.into()))?;
            for partition in open.partitions {
                partition.deleted.store(true, Ordering::Release);
                partition.high_watermark.send_modify(|_| {});
                let folder = self.directory.join(format!("{topic}-{}", partition.index));
                fs::remove_dir_all(folder).map_err(storage("removing a partition"))?;
            }
            self.save()
        })
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
        self.status.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Partition for EmbeddedPartition {
    fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn index(&self) -> u32 {
        self.index
    }

    fn append(&self, batch: Bytes, _durability: Durability) -> Result<Pending, LogError> {
        Ok(Pending::ready(Ok(self.append_now(&batch)?)))
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn reader(&self, from: Position) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        let state = self.state();
        let (start, end) = (state.log_start, state.next);
        let at = match from {
            Position::Earliest => start,
            Position::Latest => end,
            Position::Offset(offset) => offset,
        };
        let reader = SimpleReader {
            watch: self.watch(),
            at,
            partition: self.this.upgrade().expect("borrowed from an Arc"),
        };
        Box::pin(async move {
            if at < start || at > end {
                return Err(LogError::OffsetOutOfRange { offset: at, start, end });
            }
            Ok(Box::new(reader) as Box<dyn Reader>)
        })
    }

    fn list_offset(&self, spec: OffsetSpec) -> BoxFuture<'_, Result<TimestampedOffset, LogError>> {
        let result = self.list_offset_now(spec);
        Box::pin(async move { result })
    }

    fn delete_records(&self, before: i64) -> BoxFuture<'_, Result<i64, LogError>> {
        let result = self.delete_records_now(before);
        Box::pin(async move { result })
    }
}

#[derive(Debug)]
struct SimpleReader {
    partition: Arc<EmbeddedPartition>,
    watch: watch::Receiver<i64>,
    at: i64,
}

impl Reader for SimpleReader {
    fn position(&self) -> i64 {
        self.at
    }

    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Bytes, LogError>> {
        Box::pin(async move {
            loop {
                self.watch.borrow_and_update();
                let read = self.partition.read_now(self.at, max_bytes)?;
                if !read.bytes.is_empty() {
                    let last = records::batches(read.bytes.clone()).flatten().last();
                    self.at = last.map_or(self.at, |(header, _)| header.next_offset());
                    return Ok(read.bytes);
                }
                let _ = self.watch.changed().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_kafka_proto::records::BatchBuilder;

    fn batch(text: &str) -> Bytes {
        let mut builder = BatchBuilder::new();
        builder.append(1_700_000_000_000, None, Some(text.as_bytes()), &[]);
        builder.build()
    }

    #[tokio::test]
    async fn what_was_appended_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path(), Options::default()).await.unwrap();
        log.create_topic(NewTopic { name: "t".into(), ..NewTopic::default() }).await.unwrap();
        let partition = log.open_partition("t", 3).unwrap();
        for (offset, text) in ["a", "b"].iter().enumerate() {
            let appended = partition.append(batch(text), Durability::Synced).unwrap().await;
            assert_eq!(appended.unwrap().base_offset, offset as i64);
        }
        drop((log, partition));
        let log = EmbeddedLog::open(folder.path(), Options::default()).await.unwrap();
        let mut reader =
            log.partition("t", 3).await.unwrap().reader(Position::Offset(1)).await.unwrap();
        let bytes = reader.next(1).await.unwrap();
        assert_eq!(reader.position(), 2);
        let record = records::records(&bytes, 1).unwrap().next().unwrap().unwrap();
        assert_eq!(record.value.as_deref(), Some(&b"b"[..]));
    }
}
