//! Records of one partition, written and read by somebody with a name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_kafka::KafkaError;
use klamm_kafka::client::{Client, ClientOptions};
use klamm_kafka::cluster::{Cluster, check};
use klamm_kafka_proto::messages::fetch::{Fetch, FetchPartition, FetchRequest, FetchTopic};
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::records::{BatchBuilder, batches, records};
use klamm_kafka_proto::{ApiKey, Uuid};
use tokio::runtime::Runtime;

use crate::secret::Secret;

/// For an answer: longer than a quota keeps a client waiting.
const CALL: Duration = Duration::from_secs(60);
const FETCH_BYTES: i32 = 4 << 20;

/// A client that writes and reads.
#[derive(Debug)]
pub(crate) struct Records {
    cluster: Cluster,
    runtime: Runtime,
}

impl Records {
    /// One that connects as a Secret says.
    pub(crate) fn connect(secret: &Secret) -> Result<Self, KafkaError> {
        let word = KafkaError::Credentials;
        let security = secret.security().map_err(word)?;
        let bootstrap = secret.text("bootstrap.servers").map_err(word)?;
        let options = ClientOptions {
            connect_time: CALL,
            call_time: CALL,
            ..ClientOptions::new("klamm-e2e").with_security(security)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let cluster = runtime.block_on(Cluster::connect_with(&bootstrap, options))?;
        Ok(Self { cluster, runtime })
    }

    /// Writes one batch of one record into a topic's first partition, with acks=all. How long the broker says that it kept the client
    /// waiting, in milliseconds.
    pub(crate) fn write(&mut self, topic: &str, value: &[u8]) -> Result<i32, KafkaError> {
        // Of now: what is older than the retention is deleted.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut batch = BatchBuilder::new();
        batch.append(now.as_millis() as i64, None, Some(value), &[]);
        let data = PartitionProduceData { index: 0, records: Some(batch.build()) };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: CALL.as_millis() as i32,
            topic_data: vec![TopicProduceData {
                name: topic.into(),
                partition_data: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.runtime.block_on(async {
            let client = leader(&mut self.cluster, topic).await?;
            let version = client.version_for(ApiKey::Produce, Uuid::default())?;
            let answer = client.call_at::<Produce>(version, &request).await?;
            let of = answer.responses.first().and_then(|topic| topic.partition_responses.first());
            check(of.ok_or(KafkaError::Closed)?.error_code, || format!("produce to {topic}"))?;
            Ok(answer.throttle_time_ms)
        })
    }

    /// The values of a topic's first partition, from its beginning.
    pub(crate) fn read(&mut self, topic: &str) -> Result<Vec<Bytes>, KafkaError> {
        let what = FetchPartition { partition_max_bytes: FETCH_BYTES, ..Default::default() };
        let request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: FETCH_BYTES,
            topics: vec![FetchTopic {
                topic: topic.into(),
                partitions: vec![what],
                ..Default::default()
            }],
            ..Default::default()
        };
        let fetched = self.runtime.block_on(async {
            let client = leader(&mut self.cluster, topic).await?;
            let version = client.version_for(ApiKey::Fetch, Uuid::default())?;
            let answer = client.call_at::<Fetch>(version, &request).await?;
            check(answer.error_code, || "fetch".to_owned())?;
            let of = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
            let of = of.ok_or(KafkaError::Closed)?;
            check(of.error_code, || format!("fetch from {topic}"))?;
            Ok::<_, KafkaError>(of.records.unwrap_or_default())
        })?;
        let mut values = Vec::new();
        for (header, batch) in batches(fetched).map_while(Result::ok) {
            let broken = |error| KafkaError::Unreadable { offset: header.base_offset, error };
            for record in records(&batch, FETCH_BYTES as usize).map_err(broken)? {
                values.extend(record.map_err(broken)?.value);
            }
        }
        Ok(values)
    }
}

/// The leader of a topic's first partition. A topic that is being made has none yet: whoever asks asks again. One that may not be described is
/// told to be forbidden.
async fn leader<'a>(cluster: &'a mut Cluster, topic: &str) -> Result<&'a mut Client, KafkaError> {
    let mut answer = cluster.metadata(Some(&[topic])).await?;
    let topic_ = answer.topics.pop().ok_or(KafkaError::Closed)?;
    check(topic_.error_code, || format!("topic {topic}"))?;
    let first = topic_.partitions.iter().find(|partition| partition.partition_index == 0);
    let first = first.ok_or(KafkaError::Closed)?;
    check(first.error_code, || format!("{topic}-0"))?;
    cluster.broker(first.leader_id).await
}
