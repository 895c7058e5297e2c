//! A log in memory whose disk can be slow, full or gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};
use klamm_kafka_proto::records::BatchHeader;
use klamm_log::{
    Appended, BoxFuture, Completion, Durability, Log, LogError, NewTopic, OffsetSpec, Partition,
    Pending, Position, Reader, Status, TimestampedOffset, Topic, TopicId,
};
use tokio::sync::watch;

/// Topics of batches, and what is wrong with them.
#[derive(Debug)]
pub struct MemoryLog {
    topics: Mutex<BTreeMap<Arc<str>, Vec<Arc<MemoryPartition>>>>,
    disk: Arc<Disk>,
    status: watch::Sender<Status>,
}

/// What all partitions stand on.
#[derive(Debug, Default)]
struct Disk {
    state: Mutex<DiskState>,
    room: tokio::sync::Notify,
    /// Grows with each read, when reads take their time; 0 when they do not.
    reads: AtomicU64,
}

impl Disk {
    /// Lets others run a few times, by the scrambled number of the read.
    async fn take_time(&self) {
        if self.reads.load(Ordering::Relaxed) == 0 {
            return;
        }
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let turns = (read.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 6;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[derive(Debug, Default)]
struct DiskState {
    held: bool,
    full: bool,
    failing: Option<LogError>,
    undurable: VecDeque<(Arc<Shared>, Completion, Appended)>,
}

#[derive(Debug)]
pub struct MemoryPartition {
    topic: Arc<str>,
    index: u32,
    shared: Arc<Shared>,
    disk: Arc<Disk>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<PartitionState>,
    /// Batches that readers see, counted from the first ever.
    visible: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct PartitionState {
    batches: Vec<(BatchHeader, Bytes)>,
    start: i64,
    end: i64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl MemoryLog {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            topics: Mutex::default(),
            disk: Arc::default(),
            status: watch::Sender::new(Status::Ready),
        })
    }

    pub fn set_status(&self, status: Status) {
        self.status.send_replace(status);
    }

    /// While held, nothing becomes durable, and readers see nothing new.
    pub fn hold(&self) {
        lock(&self.disk.state).held = true;
    }

    pub fn release(&self) {
        let mut state = lock(&self.disk.state);
        state.held = false;
        for (shared, completion, appended) in state.undurable.drain(..) {
            shared.show();
            completion.complete(Ok(appended));
        }
    }

    /// Appends that are admitted and not durable.
    pub fn undurable(&self) -> usize {
        lock(&self.disk.state).undurable.len()
    }

    /// While full, no append is admitted.
    pub fn set_full(&self, full: bool) {
        lock(&self.disk.state).full = full;
        if !full {
            self.disk.room.notify_waiters();
        }
    }

    /// While set, appends are refused with it.
    pub fn set_failing(&self, error: Option<LogError>) {
        lock(&self.disk.state).failing = error;
    }

    /// From now on reads take their time, which differs from one to the next and with the seed.
    pub fn slow_reads(&self, seed: u64) {
        self.disk.reads.store(seed | 1, Ordering::Relaxed);
    }

    /// Every batch of a topic, partition by partition.
    pub fn batches(&self, topic: &str) -> Vec<Bytes> {
        let topics = lock(&self.topics);
        let partitions = topics.get(topic).map_or(&[][..], |partitions| partitions);
        let all = partitions.iter().map(|p| lock(&p.shared.state).batches.clone());
        all.flatten().map(|(_, bytes)| bytes).collect()
    }

    fn found(&self, name: &str) -> Result<Topic, LogError> {
        let topics = lock(&self.topics);
        let Some((name, partitions)) = topics.get_key_value(name) else {
            return Err(LogError::UnknownTopic(name.into()));
        };
        let (name, partitions) = (Arc::clone(name), partitions.len() as u32);
        Ok(Topic { name, id: TopicId::NIL, partitions, internal: false })
    }
}

fn done<'a, T: Send + 'a>(result: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Log for MemoryLog {
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, LogError>> {
        let names: Vec<Arc<str>> = lock(&self.topics).keys().cloned().collect();
        done(names.iter().map(|name| self.found(name)).collect())
    }

    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Topic, LogError>> {
        done(self.found(name))
    }

    fn create_topic(&self, topic: NewTopic) -> BoxFuture<'_, Result<Topic, LogError>> {
        let made = klamm_log::validate_topic_name(&topic.name).map(|()| {
            let name: Arc<str> = topic.name.as_str().into();
            let partition = |index| MemoryPartition::new(&name, index, &self.disk);
            let partitions = (0..topic.partitions.unwrap_or(1)).map(partition).collect();
            lock(&self.topics).entry(Arc::clone(&name)).or_insert(partitions);
        });
        done(made.and_then(|()| self.found(&topic.name)))
    }

    fn create_partitions<'a>(
        &'a self,
        topic: &'a str,
        total: u32,
    ) -> BoxFuture<'a, Result<Topic, LogError>> {
        if let Some((name, partitions)) =
            lock(&self.topics).iter_mut().find(|(n, _)| ***n == *topic)
        {
            for index in partitions.len() as u32..total {
                partitions.push(MemoryPartition::new(name, index, &self.disk));
            }
        }
        done(self.found(topic))
    }

    fn alter_topic<'a>(
        &'a self,
        _: &'a str,
        _: Vec<(String, Option<String>)>,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        done(Err(LogError::Unsupported("a log in memory has no configuration".into())))
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<(), LogError>> {
        let removed = lock(&self.topics).remove(topic);
        done(removed.map(|_| ()).ok_or_else(|| LogError::UnknownTopic(topic.into())))
    }

    fn partition<'a>(
        &'a self,
        topic: &'a str,
        index: u32,
    ) -> BoxFuture<'a, Result<Arc<dyn Partition>, LogError>> {
        let topics = lock(&self.topics);
        let found = topics.get(topic).and_then(|partitions| partitions.get(index as usize));
        let found = found.map(|partition| Arc::clone(partition) as Arc<dyn Partition>);
        done(found.ok_or_else(|| LogError::UnknownPartition { topic: topic.into(), index }))
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        done(Ok(()))
    }
}

impl Shared {
    /// The first batch that readers do not see yet becomes durable.
    fn show(&self) {
        self.visible.send_modify(|visible| *visible += 1);
    }
}

impl MemoryPartition {
    fn new(topic: &Arc<str>, index: u32, disk: &Arc<Disk>) -> Arc<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), visible: watch::Sender::new(0) });
        Arc::new(Self { topic: Arc::clone(topic), index, shared, disk: Arc::clone(disk) })
    }

    fn range(&self) -> (i64, i64) {
        let state = lock(&self.shared.state);
        (state.start, state.end)
    }
}

impl Partition for MemoryPartition {
    fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn index(&self) -> u32 {
        self.index
    }

    fn append(&self, batch: Bytes, _: Durability) -> Result<Pending, LogError> {
        let mut disk = lock(&self.disk.state);
        if let Some(error) = &disk.failing {
            return Err(error.clone());
        }
        if disk.full {
            return Err(LogError::Full);
        }
        let mut state = lock(&self.shared.state);
        let mut bytes = BytesMut::from(&batch[..]);
        let base_offset = state.end;
        BatchHeader::patch(&mut bytes, base_offset, 0);
        let header = BatchHeader::parse(&bytes)?;
        state.end = header.next_offset();
        state.batches.push((header, bytes.freeze()));
        let log_start_offset = state.start;
        drop(state);
        let appended = Appended { base_offset, log_append_time: None, log_start_offset };
        if disk.held {
            let (completion, pending) = Pending::channel();
            disk.undurable.push_back((Arc::clone(&self.shared), completion, appended));
            return Ok(pending);
        }
        self.shared.show();
        Ok(Pending::ready(Ok(appended)))
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            loop {
                let room = self.disk.room.notified();
                if !lock(&self.disk.state).full {
                    return;
                }
                room.await;
            }
        })
    }

    fn reader(&self, from: Position) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        let (start, end) = self.range();
        let next = match from {
            Position::Earliest => start,
            Position::Latest => end,
            Position::Offset(offset) if (start..=end).contains(&offset) => offset,
            Position::Offset(offset) => {
                return done(Err(LogError::OffsetOutOfRange { offset, start, end }));
            }
        };
        let visible = self.shared.visible.subscribe();
        let (shared, disk) = (Arc::clone(&self.shared), Arc::clone(&self.disk));
        done(Ok(Box::new(MemoryReader { shared, disk, visible, next })))
    }

    fn list_offset(&self, spec: OffsetSpec) -> BoxFuture<'_, Result<TimestampedOffset, LogError>> {
        let (start, end) = self.range();
        done(match spec {
            OffsetSpec::Earliest => Ok(TimestampedOffset { offset: start, timestamp: -1 }),
            OffsetSpec::Latest => Ok(TimestampedOffset { offset: end, timestamp: -1 }),
            _ => Err(LogError::Unsupported("a log in memory has no time index".into())),
        })
    }

    fn delete_records(&self, before: i64) -> BoxFuture<'_, Result<i64, LogError>> {
        let mut state = lock(&self.shared.state);
        state.start = state.start.max(if before == -1 { state.end } else { before });
        done(Ok(state.start))
    }
}

#[derive(Debug)]
struct MemoryReader {
    shared: Arc<Shared>,
    disk: Arc<Disk>,
    visible: watch::Receiver<usize>,
    next: i64,
}

impl Reader for MemoryReader {
    fn position(&self) -> i64 {
        self.next
    }

    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Bytes, LogError>> {
        Box::pin(async move {
            loop {
                self.disk.take_time().await;
                let visible = *self.visible.borrow_and_update();
                {
                    let state = lock(&self.shared.state);
                    if self.next < state.start {
                        let (start, end) = (state.start, state.end);
                        let offset = self.next;
                        return Err(LogError::OffsetOutOfRange { offset, start, end });
                    }
                    let seen = &state.batches[..visible];
                    let from =
                        seen.partition_point(|(header, _)| header.next_offset() <= self.next);
                    let mut bytes = BytesMut::new();
                    for (header, batch) in &seen[from..] {
                        if !bytes.is_empty() && bytes.len() + batch.len() > max_bytes {
                            break;
                        }
                        bytes.extend_from_slice(batch);
                        self.next = header.next_offset();
                    }
                    if !bytes.is_empty() {
                        return Ok(bytes.freeze());
                    }
                }
                if self.visible.changed().await.is_err() {
                    return Err(LogError::Closed);
                }
            }
        })
    }
}
