//! OffsetForLeaderEpoch: where an epoch ended, by which clients notice that records were cut off (KIP-320).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::offset_for_leader_epoch::{
    LeaderEpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use super::list_offsets::check_leader_epoch;
use super::{KafkaService, Refusal};

impl KafkaService {
    pub(super) fn offset_for_leader_epoch(&self, request: OffsetForLeaderEpochRequest) -> Answer {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let partitions = topic.partitions.iter().map(|asked| {
                let found = self.end_of_epoch(&topic.topic, asked);
                let (leader_epoch, end_offset) = *found.as_ref().unwrap_or(&(-1, -1));
                LeaderEpochEndOffset {
                    error_code: super::error::outcome(&found).0,
                    partition: asked.partition,
                    leader_epoch,
                    end_offset,
                }
            });
            let partitions = partitions.collect();
            topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions });
        }
        Answer::ready(OffsetForLeaderEpochResponse { topics, ..Default::default() })
    }

    fn end_of_epoch(
        &self,
        topic: &str,
        asked: &OffsetForLeaderPartition,
    ) -> Result<(i32, i64), Refusal> {
        let partition = self.partition(topic, asked.partition)?;
        check_leader_epoch(&partition, asked.current_leader_epoch)?;
        if asked.leader_epoch > partition.leader_epoch() {
            return Ok((-1, -1));
        }
        Ok(partition.end_offset_of_epoch(asked.leader_epoch))
    }
}
