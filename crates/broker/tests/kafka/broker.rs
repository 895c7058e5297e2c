//! A broker on a free port over a temporary directory, and what tests ask of it again and again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use klamm_broker::Metrics;
use klamm_broker::kafka::{KafkaOptions, KafkaService};
use klamm_kafka::client::Client;
use klamm_kafka::server::{Limits, serve};
use klamm_kafka_proto::messages::create_topics::{
    CreatableTopic, CreateTopics, CreateTopicsRequest,
};
use klamm_kafka_proto::messages::fetch::{
    Fetch, FetchPartition, FetchPartitionData, FetchRequest, FetchTopic,
};
use klamm_kafka_proto::messages::metadata::{Metadata, MetadataRequest, MetadataRequestTopic};
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::records::{BatchBuilder, Producer, batches, records};
use klamm_kafka_proto::{ErrorCode, Uuid};
use klamm_log::{EmbeddedLog, Log, Options};
use klamm_net::{ListenOptions, Listener};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Milliseconds since 1970 of the first record in tests.
pub(crate) const TIME_MS: i64 = 1_700_000_000_000;

pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) metrics: Arc<Metrics>,
    serving: JoinHandle<()>,
    stop: DropGuard,
}

impl Broker {
    pub(crate) async fn start(directory: &Path) -> Self {
        Self::start_with(directory, KafkaOptions::default()).await
    }

    pub(crate) async fn start_with(directory: &Path, options: KafkaOptions) -> Self {
        let log = EmbeddedLog::open(directory, Options::default()).await.unwrap();
        let metrics = Arc::new(Metrics::default());
        let service = KafkaService::open(Arc::clone(&log), options, Arc::clone(&metrics)).await;
        let service = Arc::new(service.unwrap());
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind("kafka", any, ListenOptions::default()).unwrap();
        let address = listener.local_address();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone().drop_guard();
        let serving = tokio::spawn(async move {
            let handler = move |connection| {
                let service = Arc::clone(&service);
                async move { serve(&*service, &Limits::default(), connection).await }
            };
            listener.serve(shutdown, handler).await;
        });
        Self { address, log, metrics, serving, stop }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address, "test").await.unwrap()
    }

    /// Ends the broker and closes its log.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.serving.await.unwrap();
        self.log.close().await.unwrap();
    }
}

/// A batch of records without keys, one for each value.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    build(BatchBuilder::new(), values)
}

/// The same of an idempotent producer.
pub(crate) fn batch_of(id: i64, epoch: i16, base_sequence: i32, values: &[&str]) -> Bytes {
    build(BatchBuilder::new().producer(Producer { id, epoch, base_sequence }), values)
}

pub(crate) fn build(mut builder: BatchBuilder, values: &[&str]) -> Bytes {
    for (at, value) in values.iter().enumerate() {
        builder.append(TIME_MS + at as i64, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

pub(crate) async fn create_topic(client: &mut Client, name: &str, partitions: i32) -> Uuid {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    let created = client.call::<CreateTopics>(&request).await.unwrap();
    assert_eq!(created.topics[0].error_code, 0, "{:?}", created.topics[0].error_message);
    created.topics[0].topic_id
}

pub(crate) fn produce_request(
    topic: &str,
    topic_id: Uuid,
    acks: i16,
    batch: Bytes,
) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            topic_id,
            partition_data: vec![PartitionProduceData { index: 0, records: Some(batch) }],
        }],
        ..Default::default()
    }
}

/// Produces one batch to partition 0 in the newest version before topic ids.
pub(crate) async fn produce(
    client: &mut Client,
    topic: &str,
    batch: Bytes,
) -> PartitionProduceResponse {
    let request = produce_request(topic, Uuid::default(), -1, batch);
    let mut response = client.call_at::<Produce>(12, &request).await.unwrap();
    response.responses.remove(0).partition_responses.remove(0)
}

pub(crate) fn fetch_request(
    topic: &str,
    topic_id: Uuid,
    offset: i64,
    max_wait_ms: i32,
) -> FetchRequest {
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 10 << 20,
        topics: vec![FetchTopic {
            topic: topic.into(),
            topic_id,
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
        }],
        ..Default::default()
    }
}

/// Fetches from partition 0 without waiting.
pub(crate) async fn fetch(client: &mut Client, topic: &str, offset: i64) -> FetchPartitionData {
    let request = fetch_request(topic, Uuid::default(), offset, 0);
    let mut response = client.call_at::<Fetch>(12, &request).await.unwrap();
    response.responses.remove(0).partitions.remove(0)
}

/// `offset:value` of each record.
pub(crate) fn values(bytes: &Bytes) -> Vec<String> {
    let mut found = Vec::new();
    for batch in batches(bytes.clone()) {
        for record in records(&batch.unwrap().1, 1 << 20).unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
            found.push(format!("{}:{value}", record.offset));
        }
    }
    found
}

/// What Metadata says of a topic: its code and the number of its partitions.
pub(crate) async fn describe(client: &mut Client, topic: &str, create: bool) -> (ErrorCode, usize) {
    let asked = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![asked]),
        allow_auto_topic_creation: create,
        ..Default::default()
    };
    let metadata = client.call::<Metadata>(&request).await.unwrap();
    let found = &metadata.topics[0];
    (code(found.error_code), found.partitions.len())
}

pub(crate) fn code(number: i16) -> ErrorCode {
    ErrorCode::from_number(number).unwrap()
}
