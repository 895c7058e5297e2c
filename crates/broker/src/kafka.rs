//! The Kafka protocol on the embedded log: a file for each API.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use klamm_broker::Metrics;
//! use klamm_broker::kafka::{KafkaOptions, KafkaService};
//! use klamm_kafka::server::{Limits, serve};
//! use klamm_log::{EmbeddedLog, Options};
//! use klamm_net::{ListenOptions, Listener};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let log = EmbeddedLog::open("data".as_ref(), Options::default()).await?;
//! let metrics = Arc::new(Metrics::default());
//! let service = Arc::new(KafkaService::open(log, KafkaOptions::default(), metrics).await?);
//! let listener = Listener::bind("kafka", "127.0.0.1:9092".parse()?, ListenOptions::default())?;
//! let shutdown = CancellationToken::new();
//! listener
//!     .serve(shutdown, move |connection| {
//!         let service = Arc::clone(&service);
//!         async move { serve(&*service, &Limits::default(), connection).await }
//!     })
//!     .await;
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! - Batches are stored and served as the bytes they came in; only base offset and leader epoch are set.
//! - A Produce with acks=all is answered after the batch is durable, an OffsetCommit after the offset is.
//! - A connection holds no more than one Fetch response at a time, of at most [`KafkaOptions::fetch_bytes_max`] and
//!   one batch.
//!
//! # Non-goals
//! Transactions, share groups and the consumer protocol of KIP-848 are not offered yet; clients are told so in the
//! protocol's own words.

use std::sync::Arc;

use klamm_kafka::server::{Answer, Context, Served, Service};
use klamm_kafka_proto::{ApiKey, Request, RequestHeader, Str, Uuid};
use klamm_log::{EmbeddedLog, EmbeddedPartition, LogError, Topic, TopicId};

use crate::metrics::Metrics;

mod alter_configs;
mod configs;
mod coordinator;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_topic_partitions;
mod error;
mod fetch;
mod find_coordinator;
mod group;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod options;
mod produce;
mod sync_group;

use coordinator::{Coordinator, OFFSETS_TOPIC};
use error::Refusal;
pub use options::KafkaOptions;

/// What is served, each in every version that `klamm-kafka-proto` declares.
const SERVED: [ApiKey; 28] = [
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeCluster,
    ApiKey::DescribeTopicPartitions,
];

/// A Kafka broker on an embedded log.
#[derive(Debug)]
pub struct KafkaService {
    log: Arc<EmbeddedLog>,
    options: KafkaOptions,
    coordinator: Arc<Coordinator>,
    metrics: Arc<Metrics>,
    served: Vec<Served>,
}

impl KafkaService {
    /// Reads groups and committed offsets, and is ready to serve. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the log says.
    pub async fn open(
        log: Arc<EmbeddedLog>,
        options: KafkaOptions,
        metrics: Arc<Metrics>,
    ) -> Result<Self, LogError> {
        let coordinator =
            Coordinator::open(&log, options.group_limits(), Arc::clone(&metrics)).await?;
        let served = SERVED.into_iter().map(|key| Served {
            key,
            versions: key.versions(),
            // librdkafka before 2.11.1 takes a Produce that begins above 0 for a broker without compression
            // (KAFKA-18659).
            advertised_min: if key == ApiKey::Produce { 0 } else { *key.versions().start() },
        });
        Ok(Self { log, options, coordinator, metrics, served: served.collect() })
    }

    /// Where clients are to connect: as configured, else where this one did.
    fn address(&self, context: &Context) -> (Str, i32) {
        match &self.options.advertised {
            Some((host, port)) => (host.as_str().into(), i32::from(*port)),
            None => {
                let host = context.local.ip().to_canonical().to_string();
                (host.into(), i32::from(context.local.port()))
            }
        }
    }

    /// The topic of a request that names it, or tells its id in later versions (KIP-516).
    fn topic_by(&self, id: Option<Uuid>, name: &str) -> Result<Topic, Refusal> {
        match id {
            Some(id) => self.log.find_by_id(topic_id(id)).ok_or_else(Refusal::unknown_id),
            None => self.log.find(name).ok_or_else(|| LogError::UnknownTopic(name.into()).into()),
        }
    }

    fn partition(&self, topic: &str, index: i32) -> Result<Arc<EmbeddedPartition>, Refusal> {
        let Ok(at) = u32::try_from(index) else {
            return Err(LogError::UnknownPartition { topic: topic.into(), index: u32::MAX }.into());
        };
        Ok(self.log.open_partition(topic, at)?)
    }
}

fn wire_id(id: TopicId) -> Uuid {
    Uuid(id.0.into_bytes())
}

fn topic_id(id: Uuid) -> TopicId {
    TopicId(uuid::Uuid::from_bytes(id.0))
}

impl Service for KafkaService {
    fn served(&self) -> &[Served] {
        &self.served
    }

    // tidy: flat match
    async fn call(&self, context: &Context, header: &RequestHeader, request: Request) -> Answer {
        self.metrics.kafka_requests.add(1);
        let version = header.api_version;
        match request {
            Request::Produce(request) => self.produce(version, request).await,
            Request::Fetch(request) => self.fetch(version, &request),
            Request::ListOffsets(request) => self.list_offsets(version, request).await,
            Request::Metadata(request) => self.metadata(context, version, request).await,
            Request::OffsetCommit(request) => self.offset_commit(version, request).await,
            Request::OffsetFetch(request) => self.offset_fetch(version, request),
            Request::FindCoordinator(request) => self.find_coordinator(context, version, &request),
            Request::JoinGroup(request) => self.join_group(context, header, request),
            Request::Heartbeat(request) => self.heartbeat(&request),
            Request::LeaveGroup(request) => self.leave_group(version, &request),
            Request::SyncGroup(request) => self.sync_group(&request),
            Request::DescribeGroups(request) => self.describe_groups(version, &request),
            Request::ListGroups(request) => self.list_groups(&request),
            Request::CreateTopics(request) => self.create_topics(request).await,
            Request::DeleteTopics(request) => self.delete_topics(version, request).await,
            Request::DeleteRecords(request) => self.delete_records(request).await,
            Request::InitProducerId(request) => self.init_producer_id(&request).await,
            Request::OffsetForLeaderEpoch(request) => self.offset_for_leader_epoch(request),
            Request::DescribeConfigs(request) => self.describe_configs(request),
            Request::AlterConfigs(request) => self.alter_configs(request).await,
            Request::DescribeLogDirs(request) => self.describe_log_dirs(request),
            Request::CreatePartitions(request) => self.create_partitions(request).await,
            Request::DeleteGroups(request) => self.delete_groups(request).await,
            Request::IncrementalAlterConfigs(request) => {
                self.incremental_alter_configs(request).await
            }
            Request::ListPartitionReassignments(request) => {
                self.list_partition_reassignments(&request)
            }
            Request::OffsetDelete(request) => self.offset_delete(request).await,
            Request::DescribeCluster(request) => self.describe_cluster(context, &request),
            Request::DescribeTopicPartitions(request) => self.describe_topic_partitions(request),
            // Not in `SERVED`, so the connection does not let it through.
            _ => Answer::Close,
        }
    }
}
