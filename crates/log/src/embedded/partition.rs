//! The public face of a partition, and its cursor.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::BatchHeader;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Read;
use super::core::Core;
use super::store::Store;
use crate::{
    BoxFuture, Durability, LogError, OffsetSpec, Partition, Pending, Position, Reader,
    TimestampedOffset, TopicId,
};

/// A partition of an [`super::EmbeddedLog`].
#[derive(Debug, Clone)]
pub struct EmbeddedPartition {
    core: Arc<Core>,
    store: Arc<Store>,
}

impl EmbeddedPartition {
    pub(super) fn new(core: &Arc<Core>, store: &Arc<Store>) -> Self {
        Self { core: core.clone(), store: store.clone() }
    }

    /// Identity of the topic.
    pub fn topic_id(&self) -> TopicId {
        self.store.topic.id
    }

    /// Epoch in which batches are stored now. It grows with every start that no clean end went before.
    pub fn leader_epoch(&self) -> i32 {
        self.core.epoch
    }

    /// First offset kept.
    pub fn log_start_offset(&self) -> i64 {
        self.store.log_start()
    }

    /// Offset of the next record that readers will see.
    pub fn high_watermark(&self) -> i64 {
        self.store.high_watermark()
    }

    /// Bytes of the partition's segments.
    pub fn size_bytes(&self) -> u64 {
        self.store.chain().size_bytes()
    }

    /// Whole batches from the one that holds `offset` on, at most `max_bytes` together unless the first alone is larger;
    /// none at the high watermark. Never waits for new ones.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`]; [`LogError::UnknownTopic`] after the topic was deleted.
    pub fn read(&self, offset: i64, max_bytes: usize) -> BoxFuture<'_, Result<Read, LogError>> {
        Box::pin(self.read_either_way(offset, max_bytes))
    }

    /// From the page cache on this thread, or else from the device on another.
    async fn read_either_way(&self, offset: i64, max_bytes: usize) -> Result<Read, LogError> {
        if let Some(read) = self.core.read(&self.store, offset, max_bytes, false)? {
            return Ok(read);
        }
        let (core, store) = (self.core.clone(), self.store.clone());
        let read = blocking(move || core.read(&store, offset, max_bytes, true)).await?;
        read.ok_or_else(|| LogError::Corrupt("a read that may wait said it would have to".into()))
    }

    /// The high watermark as it moves. It is marked changed too when the topic is deleted or the log closed.
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.store.watch()
    }

    /// The largest epoch that is not above `epoch` and the offset after its last record; (-1, -1) when the
    /// epoch is not known (OffsetForLeaderEpoch).
    pub fn end_offset_of_epoch(&self, epoch: i32) -> (i32, i64) {
        let end = self.store.high_watermark();
        self.store.chain().epochs.end_offset(epoch, self.core.epoch, end)
    }
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    spawn_blocking(act).await.unwrap_or(Err(LogError::Closed))
}

impl Partition for EmbeddedPartition {
    fn topic(&self) -> &Arc<str> {
        &self.store.topic.name
    }

    fn index(&self) -> u32 {
        self.store.index
    }

    fn append(&self, batch: Bytes, durability: Durability) -> Result<Pending, LogError> {
        self.core.append(&self.store, batch, durability)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.core.budget.ready())
    }

    fn reader(&self, from: Position) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        Box::pin(async move {
            self.store.topic.alive()?;
            let moved = self.store.watch();
            let (start, end) = (self.store.log_start(), self.store.high_watermark());
            let position = match from {
                Position::Earliest => start,
                Position::Latest => end,
                Position::Offset(offset) => offset,
            };
            if !(start..=end).contains(&position) {
                return Err(LogError::OffsetOutOfRange { offset: position, start, end });
            }
            let reader = EmbeddedReader { partition: self.clone(), moved, position };
            Ok(Box::new(reader) as Box<dyn Reader>)
        })
    }

    fn list_offset(&self, spec: OffsetSpec) -> BoxFuture<'_, Result<TimestampedOffset, LogError>> {
        Box::pin(async move {
            if matches!(spec, OffsetSpec::Earliest | OffsetSpec::Latest) {
                return self.core.list_offset(&self.store, spec);
            }
            let (core, store) = (self.core.clone(), self.store.clone());
            blocking(move || core.list_offset(&store, spec)).await
        })
    }

    fn delete_records(&self, before: i64) -> BoxFuture<'_, Result<i64, LogError>> {
        let (core, store) = (self.core.clone(), self.store.clone());
        Box::pin(blocking(move || core.delete_records(&store, before)))
    }
}

/// A cursor over an [`EmbeddedPartition`].
#[derive(Debug)]
struct EmbeddedReader {
    partition: EmbeddedPartition,
    moved: watch::Receiver<i64>,
    position: i64,
}

impl EmbeddedReader {
    async fn read_next(&mut self, max_bytes: usize) -> Result<Bytes, LogError> {
        loop {
            // Seen before the look, so that what moves after it wakes the wait below.
            self.moved.borrow_and_update();
            let read = self.partition.read_either_way(self.position, max_bytes).await?;
            if !read.bytes.is_empty() {
                self.position = next_offset(&read.bytes)?;
                return Ok(read.bytes);
            }
            if self.partition.core.is_closed() {
                return Err(LogError::Closed);
            }
            if self.moved.changed().await.is_err() {
                return Err(LogError::Closed);
            }
        }
    }
}

/// Offset after the last of the batches.
fn next_offset(mut batches: &[u8]) -> Result<i64, LogError> {
    loop {
        let header = BatchHeader::parse(batches)?;
        match batches.get(header.total_bytes()..) {
            Some(rest) if !rest.is_empty() => batches = rest,
            _ => return Ok(header.next_offset()),
        }
    }
}

impl Reader for EmbeddedReader {
    fn position(&self) -> i64 {
        self.position
    }

    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Bytes, LogError>> {
        Box::pin(self.read_next(max_bytes))
    }
}
