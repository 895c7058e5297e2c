//! A Kafka client that reads and checks the batches of a partition as they are stored.

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka::client::Client;
use klamm_kafka_proto::messages::create_topics::{
    CreatableTopic, CreateTopics, CreateTopicsRequest,
};
use klamm_kafka_proto::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use klamm_kafka_proto::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use klamm_kafka_proto::messages::metadata::{Metadata, MetadataRequest, MetadataRequestTopic};
use klamm_kafka_proto::records::{BatchHeader, Record, batches, records};
use klamm_kafka_proto::{Api, ErrorCode};
use klamm_testkit::{PATIENCE, eventually};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Fetch and Produce name topics up to version 12, and use ids from 13 on.
const BY_NAME: i16 = 12;
/// Compressed batches of the tests unpack to far less.
const UNPACK_BYTES: usize = 16 << 20;

/// A connection, and the runtime it needs.
#[derive(Debug)]
pub struct Kafka {
    runtime: Runtime,
    client: Client,
}

/// A batch as a partition has it, its CRC checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub header: BatchHeader,
    pub bytes: Bytes,
}

impl Kafka {
    /// Connects.
    pub fn connect(address: &str) -> Result<Self, KafkaError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the client");
        let connecting = async { timeout(PATIENCE, Client::connect(address, "klamm-test")).await };
        let client = runtime.block_on(connecting).unwrap_or(Err(KafkaError::Closed))?;
        Ok(Self { runtime, client })
    }

    /// Calls an API; an answer that does not come is a closed connection.
    pub fn call<A: Api>(&mut self, request: &A::Request) -> Result<A::Response, KafkaError> {
        let version = self.client.version(A::KEY)?.min(BY_NAME);
        let call = async { timeout(PATIENCE, self.client.call_at::<A>(version, request)).await };
        self.runtime.block_on(call).unwrap_or(Err(KafkaError::Closed))
    }

    /// Makes a topic.
    pub fn create_topic(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let answer = self.call::<CreateTopics>(&request).unwrap();
        assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
        eventually("leaders of the new topic", || {
            (self.partitions(name) == partitions).then_some(())
        });
    }

    /// Partitions of a topic that have a leader.
    pub fn partitions(&mut self, name: &str) -> i32 {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let answer = self.call::<Metadata>(&request).unwrap();
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.filter(|p| p.error_code == 0 && p.leader_id >= 0).count() as i32
    }

    /// Offset at the end of a partition, or at its beginning.
    pub fn offset(&mut self, topic: &str, partition: i32, end: bool) -> i64 {
        let partition = ListOffsetsPartition {
            partition_index: partition,
            timestamp: if end { -1 } else { -2 },
            ..Default::default()
        };
        let topic = ListOffsetsTopic { name: topic.into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
        let answer = self.call::<ListOffsets>(&request).unwrap();
        let found = &answer.topics[0].partitions[0];
        assert_eq!(found.error_code, 0, "{answer:?}");
        found.offset
    }

    /// Bytes from an offset on: whole batches, none at the end.
    pub fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Bytes, KafkaError> {
        let what = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: 4 << 20,
            ..Default::default()
        };
        let request = FetchRequest {
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: 8 << 20,
            topics: vec![FetchTopic {
                topic: topic.into(),
                partitions: vec![what],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = self.call::<Fetch>(&request)?;
        let found = &answer.responses[0].partitions[0];
        assert_eq!(found.error_code, ErrorCode::None as i16, "{topic}-{partition} at {offset}");
        Ok(found.records.clone().unwrap_or_default())
    }

    /// Every batch of a partition, in order: CRC good, no offset twice and none left out.
    pub fn stored(&mut self, topic: &str, partition: i32) -> Vec<Stored> {
        let start = self.offset(topic, partition, false);
        self.stored_from(topic, partition, start)
    }

    /// As [`Kafka::stored`], from the batch that begins at `next` on.
    pub fn stored_from(&mut self, topic: &str, partition: i32, mut next: i64) -> Vec<Stored> {
        let end = self.offset(topic, partition, true);
        let mut stored = Vec::new();
        while next < end {
            let bytes = self.fetch(topic, partition, next).unwrap();
            let mut found = 0;
            for batch in batches(bytes) {
                // The last one may be cut short; it comes whole when it is asked for.
                let Ok((header, bytes)) = batch else { break };
                header.verify(&bytes).unwrap_or_else(|e| panic!("{topic}-{partition}: {e}"));
                assert_eq!(header.base_offset, next, "{topic}-{partition}: offsets in order");
                next = header.next_offset();
                found += 1;
                stored.push(Stored { header, bytes });
            }
            assert!(found > 0, "{topic}-{partition}: nothing at {next}, but the end is {end}");
        }
        stored
    }

    /// Every record of a topic.
    pub fn records(&mut self, topic: &str) -> Vec<Record> {
        let partitions = self.partitions(topic);
        let stored = (0..partitions).flat_map(|p| self.stored(topic, p)).collect::<Vec<_>>();
        stored.iter().flat_map(Stored::records).collect()
    }

    /// Values of every record of a topic, as text.
    pub fn values(&mut self, topic: &str) -> Vec<String> {
        let text = |record: Record| {
            String::from_utf8(record.value.unwrap_or_default().to_vec()).expect("values are text")
        };
        self.records(topic).into_iter().map(text).collect()
    }
}

impl Stored {
    /// Its records.
    pub fn records(&self) -> Vec<Record> {
        records(&self.bytes, UNPACK_BYTES)
            .and_then(Iterator::collect)
            .expect("a batch with a good CRC can be read")
    }
}
