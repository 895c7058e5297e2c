//! ListPartitionReassignments: one broker has nothing to move (KIP-455). `kafka-topics --describe` asks.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use super::KafkaService;

impl KafkaService {
    pub(super) fn list_partition_reassignments(
        &self,
        request: &ListPartitionReassignmentsRequest,
    ) -> Answer {
        tracing::trace!(topics = request.topics.as_ref().map(Vec::len), "asked for reassignments");
        Answer::ready(ListPartitionReassignmentsResponse::default())
    }
}
