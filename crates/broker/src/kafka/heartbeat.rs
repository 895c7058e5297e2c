//! Heartbeat: a member lives, and learns of rebalances.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use super::KafkaService;

impl KafkaService {
    pub(super) fn heartbeat(&self, request: &HeartbeatRequest) -> Answer {
        let code = self.coordinator.heartbeat(
            &request.group_id,
            &request.member_id,
            request.group_instance_id.as_deref(),
            request.generation_id,
        );
        Answer::ready(HeartbeatResponse { error_code: code as i16, ..Default::default() })
    }
}
