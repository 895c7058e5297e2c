//! Produce: batches into the log, answered when they are as durable as was asked.

use std::time::Duration;

use bytes::Bytes;
use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData, TopicProduceResponse,
};
use klamm_kafka_proto::records::{BatchHeader, Compression};
use klamm_kafka_proto::{ErrorCode, Str, Uuid};
use klamm_log::{Durability, LogError, Partition, Pending};
use tokio::time::{Instant, timeout_at};

use super::{KafkaService, OFFSETS_TOPIC, Refusal};

/// From this version on a topic is told by its id (KIP-516).
const VERSION_WITH_TOPIC_ID: i16 = 13;
/// From this version on a batch may be compressed with zstd (KIP-110).
const VERSION_WITH_ZSTD: i16 = 7;

/// Batches of a topic, taken or refused.
struct Admitted {
    name: Str,
    topic_id: Uuid,
    partitions: Vec<(i32, Result<Pending, Refusal>)>,
}

impl KafkaService {
    pub(super) async fn produce(&self, version: i16, request: ProduceRequest) -> Answer {
        let acks = request.acks;
        let timeout_ms = u64::try_from(request.timeout_ms).unwrap_or_default();
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let refusal = if !(-1..=1).contains(&acks) {
            Some(ErrorCode::InvalidRequiredAcks.into())
        } else if request.transactional_id.is_some() {
            Some(Refusal::no_transactions())
        } else {
            None
        };
        let mut admitted = Vec::with_capacity(request.topic_data.len());
        for topic in request.topic_data {
            admitted.push(self.admit_topic(version, topic, acks, refusal.as_ref()).await);
        }
        if acks == 0 {
            return without_answer(admitted);
        }
        Answer::Later(Box::pin(async move {
            let mut responses = Vec::with_capacity(admitted.len());
            for topic in admitted {
                responses.push(answer_topic(topic, deadline).await);
            }
            ProduceResponse { responses, ..Default::default() }.into()
        }))
    }

    async fn admit_topic(
        &self,
        version: i16,
        topic: TopicProduceData,
        acks: i16,
        refusal: Option<&Refusal>,
    ) -> Admitted {
        let id = Some(topic.topic_id).filter(|_| version >= VERSION_WITH_TOPIC_ID);
        let found = match (refusal, id) {
            (Some(refusal), _) => Err(refusal.clone()),
            (None, None) => Ok(topic.name.clone()),
            (None, Some(_)) => self.topic_by(id, &topic.name).map(|found| (&*found.name).into()),
        };
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let index = data.index;
            let admitted = match &found {
                Err(refusal) => Err(refusal.clone()),
                Ok(name) => self.admit(version, name, data, acks).await,
            };
            if admitted.is_err() {
                self.metrics.kafka_produce_failures.add(1);
            }
            partitions.push((index, admitted));
        }
        Admitted { name: topic.name, topic_id: topic.topic_id, partitions }
    }

    async fn admit(
        &self,
        version: i16,
        topic: &str,
        data: PartitionProduceData,
        acks: i16,
    ) -> Result<Pending, Refusal> {
        if topic == OFFSETS_TOPIC {
            let text = "only the group coordinator writes to this topic";
            return Err(Refusal::new(ErrorCode::InvalidTopicException, text));
        }
        let partition = self.partition(topic, data.index)?;
        let batch = data.records.unwrap_or_default();
        let header = BatchHeader::parse(&batch).map_err(LogError::from)?;
        check_batch(version, &header)?;
        let (bytes, records) = (batch.len() as u64, header.records_count as u64);
        let durability = if acks == -1 { Durability::Synced } else { Durability::Written };
        let pending = append(&*partition, batch, durability).await?;
        self.metrics.kafka_bytes_in.add(bytes);
        self.metrics.kafka_records_in.add(records);
        Ok(pending)
    }
}

/// Appends; while the log has no room, neither is the socket read.
async fn append(
    partition: &impl Partition,
    batch: Bytes,
    durability: Durability,
) -> Result<Pending, LogError> {
    loop {
        match partition.append(batch.clone(), durability) {
            Err(LogError::Full) => partition.ready().await,
            other => return other,
        }
    }
}

/// What the version, not the log, has to say against a batch.
fn check_batch(version: i16, header: &BatchHeader) -> Result<(), Refusal> {
    if header.attributes.is_transactional() {
        return Err(Refusal::no_transactions());
    }
    let zstd = header.attributes.compression() == Ok(Compression::Zstd);
    if zstd && version < VERSION_WITH_ZSTD {
        return Err(ErrorCode::UnsupportedCompressionType.into());
    }
    Ok(())
}

/// With `acks=0` a client learns of a failure only by its connection's end.
fn without_answer(admitted: Vec<Admitted>) -> Answer {
    let mut failed = false;
    for (index, outcome) in admitted.into_iter().flat_map(|topic| topic.partitions) {
        match outcome {
            Ok(pending) => pending.forget(),
            Err(refusal) => {
                tracing::debug!(
                    partition = index,
                    error = refusal.text,
                    "batch with acks=0 refused"
                );
                failed = true;
            }
        }
    }
    if failed { Answer::Close } else { Answer::Nothing }
}

async fn answer_topic(topic: Admitted, deadline: Instant) -> TopicProduceResponse {
    let mut partition_responses = Vec::with_capacity(topic.partitions.len());
    for (index, admitted) in topic.partitions {
        let outcome = match admitted {
            Err(refusal) => Err(refusal),
            Ok(pending) => match timeout_at(deadline, pending).await {
                Ok(appended) => appended.map_err(Refusal::from),
                Err(_) => Err(ErrorCode::RequestTimedOut.into()),
            },
        };
        partition_responses.push(match outcome {
            Ok(appended) => PartitionProduceResponse {
                index,
                base_offset: appended.base_offset,
                log_append_time_ms: appended.log_append_time.unwrap_or(-1),
                log_start_offset: appended.log_start_offset,
                ..Default::default()
            },
            Err(refusal) => PartitionProduceResponse {
                index,
                error_code: refusal.number(),
                base_offset: -1,
                error_message: refusal.message(),
                ..Default::default()
            },
        });
    }
    TopicProduceResponse { name: topic.name, topic_id: topic.topic_id, partition_responses }
}
