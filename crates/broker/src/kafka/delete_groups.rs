//! DeleteGroups: groups without members, and their offsets.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

use super::KafkaService;

impl KafkaService {
    pub(super) async fn delete_groups(&self, request: DeleteGroupsRequest) -> Answer {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for group_id in request.groups_names {
            let deleted = self.coordinator.delete_group(&group_id).await;
            let code = deleted.map_or_else(|refused| refused.code(), |()| ErrorCode::None);
            results.push(DeletableGroupResult { group_id, error_code: code as i16 });
        }
        Answer::ready(DeleteGroupsResponse { results, ..Default::default() })
    }
}
