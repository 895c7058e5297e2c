//! DeleteRecords: give up the oldest records (KIP-107).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use klamm_log::Partition;

use super::error::outcome;
use super::{KafkaService, OFFSETS_TOPIC, Refusal};

impl KafkaService {
    pub(super) async fn delete_records(&self, request: DeleteRecordsRequest) -> Answer {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let deleted = self.delete_before(&topic.name, asked).await;
                partitions.push(DeleteRecordsPartitionResult {
                    partition_index: asked.partition_index,
                    error_code: outcome(&deleted).0,
                    low_watermark: deleted.unwrap_or(-1),
                });
            }
            topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
        }
        Answer::ready(DeleteRecordsResponse { topics, ..Default::default() })
    }

    async fn delete_before(
        &self,
        topic: &str,
        asked: &DeleteRecordsPartition,
    ) -> Result<i64, Refusal> {
        if topic == OFFSETS_TOPIC {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        Ok(self.partition(topic, asked.partition_index)?.delete_records(asked.offset).await?)
    }
}
