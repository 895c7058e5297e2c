//! CreatePartitions: more partitions for a topic (KIP-195).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use klamm_log::{Log, LogError};

use super::error::outcome;
use super::{KafkaService, OFFSETS_TOPIC, Refusal};

impl KafkaService {
    pub(super) async fn create_partitions(&self, request: CreatePartitionsRequest) -> Answer {
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let raised = self.raise_partitions(&topic, request.validate_only).await;
            let (error_code, error_message) = outcome(&raised);
            let name = topic.name;
            results.push(CreatePartitionsTopicResult { name, error_code, error_message });
        }
        Answer::ready(CreatePartitionsResponse { results, ..Default::default() })
    }

    async fn raise_partitions(
        &self,
        asked: &CreatePartitionsTopic,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        let topic = self.topic_by(None, &asked.name)?;
        if *topic.name == *OFFSETS_TOPIC {
            let text = "this topic has one partition";
            return Err(Refusal::new(ErrorCode::InvalidTopicException, text));
        }
        let have = topic.partitions;
        let total = u32::try_from(asked.count).ok().filter(|total| *total > have);
        let total = total.ok_or_else(|| {
            let text = format!(
                "topic '{}' has {have} partitions; {} is not more",
                asked.name, asked.count
            );
            LogError::InvalidPartitions(text)
        })?;
        if let Some(assignments) = &asked.assignments {
            let ours = |brokers: &[i32]| brokers == [self.options.node_id];
            let all = assignments.iter().all(|assignment| ours(&assignment.broker_ids));
            if !all || assignments.len() != (total - have) as usize {
                let text = "there is one broker, and one assignment for each new partition";
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text));
            }
        }
        if !validate_only {
            self.log.create_partitions(&asked.name, total).await?;
        }
        Ok(())
    }
}
