//! Fetch: whole batches from offsets on, waiting until there is enough (KIP-74 limits).
//!
//! Fetch sessions (KIP-227) are not kept: a client that asks for one is given session 0, which means that every request
//! names all its partitions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchPartitionData, FetchRequest, FetchResponse,
    FetchableTopicResponse,
};
use klamm_kafka_proto::{ErrorCode, Response, Str, Uuid};
use klamm_log::EmbeddedPartition;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::list_offsets::check_leader_epoch;
use super::{KafkaService, Refusal};
use crate::metrics::Metrics;

/// From this version on a topic is told by its id (KIP-516).
const VERSION_WITH_TOPIC_ID: i16 = 13;
/// `isolation_level` of a consumer that wants committed records only.
const READ_COMMITTED: i8 = 1;

/// A Fetch that is being answered.
struct Fetching {
    topics: Vec<(Str, Uuid, usize)>,
    places: Vec<Place>,
    read_committed: bool,
    min_bytes: usize,
    max_bytes: usize,
    deadline: Instant,
    /// Bytes read so far.
    bytes: usize,
    metrics: Arc<Metrics>,
}

/// Where to read, and what has been read there.
struct Place {
    index: i32,
    offset: i64,
    max_bytes: usize,
    partition: Option<Arc<EmbeddedPartition>>,
    watch: Option<watch::Receiver<i64>>,
    read: Bytes,
    error: ErrorCode,
    diverging: EpochEndOffset,
}

impl KafkaService {
    pub(super) fn fetch(&self, version: i16, request: &FetchRequest) -> Answer {
        let session = match (request.session_id, request.session_epoch) {
            (0, 0 | -1) => ErrorCode::None,
            (0, _) => ErrorCode::InvalidFetchSessionEpoch,
            (_, _) => ErrorCode::FetchSessionIdNotFound,
        };
        if session != ErrorCode::None {
            let error_code = session as i16;
            return Answer::ready(FetchResponse { error_code, ..Default::default() });
        }
        let is_follower = request.replica_id >= 0 || request.replica_state.replica_id >= 0;
        let mut topics = Vec::with_capacity(request.topics.len());
        let mut places = Vec::new();
        for topic in &request.topics {
            let id = Some(topic.topic_id).filter(|_| version >= VERSION_WITH_TOPIC_ID);
            let found = self.topic_by(id, &topic.topic);
            topics.push((topic.topic.clone(), topic.topic_id, topic.partitions.len()));
            for partition in &topic.partitions {
                let found = found.as_ref().map_err(Clone::clone);
                let opened = match is_follower {
                    true => Err(ErrorCode::NotLeaderOrFollower.into()),
                    false => found.and_then(|topic| self.readable(&topic.name, partition)),
                };
                places.push(Place::new(partition, opened));
            }
        }
        let max_wait_ms = u64::try_from(request.max_wait_ms).unwrap_or_default();
        let fetching = Fetching {
            topics,
            places,
            read_committed: request.isolation_level == READ_COMMITTED,
            min_bytes: usize::try_from(request.min_bytes).unwrap_or_default(),
            max_bytes: limit(request.max_bytes).min(self.options.fetch_bytes_max),
            deadline: Instant::now() + Duration::from_millis(max_wait_ms),
            bytes: 0,
            metrics: Arc::clone(&self.metrics),
        };
        Answer::Later(Box::pin(fetching.run()))
    }

    fn readable(
        &self,
        topic: &str,
        asked: &FetchPartition,
    ) -> Result<Arc<EmbeddedPartition>, Refusal> {
        let partition = self.partition(topic, asked.partition)?;
        check_leader_epoch(&partition, asked.current_leader_epoch)?;
        Ok(partition)
    }
}

fn limit(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or_default()
}

impl Place {
    fn new(asked: &FetchPartition, opened: Result<Arc<EmbeddedPartition>, Refusal>) -> Self {
        let mut place = Self {
            index: asked.partition,
            offset: asked.fetch_offset,
            max_bytes: limit(asked.partition_max_bytes),
            partition: None,
            watch: None,
            read: Bytes::new(),
            error: ErrorCode::None,
            diverging: EpochEndOffset::default(),
        };
        match opened {
            Err(refusal) => place.error = refusal.code,
            Ok(partition) => {
                place.check_divergence(&partition, asked.last_fetched_epoch);
                place.partition = Some(partition);
            }
        }
        place
    }

    /// A reader whose last epoch ended before its offset has read what is no longer there (KIP-595).
    fn check_divergence(&mut self, partition: &EmbeddedPartition, last_fetched_epoch: i32) {
        if last_fetched_epoch < 0 {
            return;
        }
        let (epoch, end_offset) = partition.end_offset_of_epoch(last_fetched_epoch);
        if epoch >= 0 && (epoch < last_fetched_epoch || end_offset < self.offset) {
            self.diverging = EpochEndOffset { epoch, end_offset };
        }
    }

    /// Nothing more is to be read here.
    fn is_settled(&self) -> bool {
        self.error != ErrorCode::None || self.diverging != EpochEndOffset::default()
    }

    /// At the end, where a read would find nothing.
    fn is_at_end(&self) -> bool {
        self.partition.as_ref().is_some_and(|partition| partition.high_watermark() == self.offset)
    }

    /// Reads at most `budget` bytes; the first place that finds anything takes a whole batch even so.
    async fn read(&mut self, budget: usize, is_first: bool) {
        let Some(partition) = &self.partition else { return };
        let max_bytes = self.max_bytes.min(budget);
        match partition.read(self.offset, max_bytes).await {
            Ok(read) if is_first || read.bytes.len() <= max_bytes => self.read = read.bytes,
            Ok(_) => {}
            Err(error) => {
                self.read = Bytes::new();
                self.error = super::error::code_of(&error);
            }
        }
    }

    /// From here on, what is appended is noticed.
    fn watch(&mut self) {
        if self.watch.is_none() && !self.is_settled() {
            self.watch = self.partition.as_ref().map(|partition| partition.watch());
        }
    }

    /// Something happened here since the last look.
    fn take_change(&mut self) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        match watch.has_changed() {
            Ok(changed) => {
                watch.mark_unchanged();
                changed
            }
            Err(_) => {
                // The partition is gone; reading will say so.
                self.watch = None;
                true
            }
        }
    }

    fn into_data(self, read_committed: bool) -> FetchPartitionData {
        let partition = self.partition.filter(|_| self.error == ErrorCode::None);
        let high_watermark = partition.as_ref().map_or(-1, |p| p.high_watermark());
        FetchPartitionData {
            partition_index: self.index,
            error_code: self.error as i16,
            high_watermark,
            // Without transactions nothing is held back.
            last_stable_offset: high_watermark,
            log_start_offset: partition.as_ref().map_or(-1, |p| p.log_start_offset()),
            aborted_transactions: read_committed.then(Vec::new),
            records: Some(self.read),
            diverging_epoch: self.diverging,
            ..Default::default()
        }
    }
}

impl Fetching {
    async fn run(mut self) -> Response {
        self.read_all().await;
        if !self.is_enough() && Instant::now() < self.deadline {
            self.wait_for_enough().await;
        }
        self.metrics.kafka_bytes_out.add(self.bytes as u64);
        self.respond()
    }

    async fn read_all(&mut self) {
        for at in 0..self.places.len() {
            if !self.places[at].is_settled() && !self.places[at].is_at_end() {
                self.read_at(at).await;
            }
        }
    }

    /// Reads at one place, in what is left of the limits; again if it has been read before.
    async fn read_at(&mut self, at: usize) {
        let place = &mut self.places[at];
        self.bytes -= place.read.len();
        let budget = self.max_bytes.saturating_sub(self.bytes);
        if budget > 0 || self.bytes == 0 {
            place.read(budget, self.bytes == 0).await;
        }
        self.bytes += place.read.len();
    }

    fn is_enough(&self) -> bool {
        self.bytes >= self.min_bytes
            || self.bytes >= self.max_bytes
            || self.places.iter().any(Place::is_settled)
    }

    async fn wait_for_enough(&mut self) {
        self.places.iter_mut().for_each(Place::watch);
        // What came between the first look and the watch.
        self.read_all().await;
        while !self.is_enough() {
            if timeout_at(self.deadline, any_change(&mut self.places)).await.is_err() {
                return;
            }
            for at in 0..self.places.len() {
                if self.places[at].take_change() {
                    self.read_at(at).await;
                }
            }
        }
    }

    fn respond(self) -> Response {
        let mut places = self.places.into_iter();
        let mut responses = Vec::with_capacity(self.topics.len());
        for (topic, topic_id, count) in self.topics {
            let partitions = places.by_ref().take(count);
            let partitions = partitions.map(|place| place.into_data(self.read_committed)).collect();
            responses.push(FetchableTopicResponse { topic, topic_id, partitions });
        }
        FetchResponse { responses, ..Default::default() }.into()
    }
}

/// Waits until something happens at any place; for ever when nothing can.
async fn any_change(places: &mut [Place]) {
    let changed = |watch: &'_ mut watch::Receiver<i64>| {
        let mut watch = watch.clone();
        Box::pin(async move { watch.changed().await.is_ok() })
    };
    let mut changes: Vec<_> =
        places.iter_mut().filter_map(|place| place.watch.as_mut()).map(changed).collect();
    std::future::poll_fn(|context| {
        // In order and all of them: a change that is missed here would be waited for until the deadline.
        match changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
