//! JoinGroup: into a group, and into each of its generations.

use klamm_kafka::server::{Answer, Context};
use klamm_kafka_proto::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use klamm_kafka_proto::{ErrorCode, RequestHeader, Response, Str};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::KafkaService;
use super::group::Joiner;

/// Bytes of a client id that go into a member id.
const CLIENT_ID_BYTES_MAX: usize = 255; // a member id travels in every heartbeat

impl KafkaService {
    pub(super) fn join_group(
        &self,
        context: &Context,
        header: &RequestHeader,
        request: JoinGroupRequest,
    ) -> Answer {
        if let Err(code) = self.check_join(&request) {
            return Answer::Ready(refuse(code, request.member_id));
        }
        let client_id = header.client_id.as_deref().unwrap_or_default();
        let stem = request.group_instance_id.as_deref().unwrap_or(client_id);
        let stem = &stem[..stem.floor_char_boundary(CLIENT_ID_BYTES_MAX)];
        let client_host = format!("/{}", context.peer.ip().to_canonical());
        let joiner = Joiner {
            request: &request,
            version: header.api_version,
            client_id,
            client_host: &client_host,
            new_member_id: format!("{stem}-{}", Uuid::new_v4()).into(),
        };
        let (waiter, told) = oneshot::channel();
        if let Err((code, _)) = self.coordinator.join(&joiner, waiter) {
            return Answer::Ready(refuse(code, request.member_id));
        }
        let member_id = request.member_id;
        Answer::Later(Box::pin(async move {
            told.await.unwrap_or_else(|_| refuse(ErrorCode::CoordinatorNotAvailable, member_id))
        }))
    }

    fn check_join(&self, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let (min, max) = (self.options.session_timeout_min, self.options.session_timeout_max);
        let session_ms = u128::try_from(request.session_timeout_ms).unwrap_or_default();
        if (min.as_millis()..=max.as_millis()).contains(&session_ms) {
            Ok(())
        } else {
            Err(ErrorCode::InvalidSessionTimeout)
        }
    }
}

fn refuse(code: ErrorCode, member_id: Str) -> Response {
    JoinGroupResponse {
        error_code: code as i16,
        protocol_name: Some(Str::default()),
        member_id,
        ..Default::default()
    }
    .into()
}
