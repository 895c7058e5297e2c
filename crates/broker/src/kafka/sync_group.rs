//! SyncGroup: who reads what.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use klamm_kafka_proto::{ErrorCode, Response};
use tokio::sync::oneshot;

use super::KafkaService;

impl KafkaService {
    pub(super) fn sync_group(&self, request: &SyncGroupRequest) -> Answer {
        let (waiter, told) = oneshot::channel();
        if let Err((code, _)) = self.coordinator.sync(request, waiter) {
            return Answer::Ready(refuse(code));
        }
        Answer::Later(Box::pin(async move {
            told.await.unwrap_or_else(|_| refuse(ErrorCode::CoordinatorNotAvailable))
        }))
    }
}

fn refuse(code: ErrorCode) -> Response {
    SyncGroupResponse { error_code: code as i16, ..Default::default() }.into()
}
