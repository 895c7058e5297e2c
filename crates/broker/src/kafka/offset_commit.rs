//! OffsetCommit: how far a group has come, durable before it is answered.

use std::sync::Arc;

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitPartitionResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetCommitTopicResponse,
};
use klamm_kafka_proto::{ErrorCode, Str};
use klamm_log::Topic;

use super::KafkaService;
use super::coordinator::{Commit, Committed, Committer, Refused};

/// `offset.metadata.max.bytes`: Kafka's default.
const METADATA_BYTES_MAX: usize = 4096;
/// From this version on the code for a group that is not there says so.
const VERSION_WITH_NOT_FOUND: i16 = 9;

impl KafkaService {
    pub(super) async fn offset_commit(&self, version: i16, request: OffsetCommitRequest) -> Answer {
        let now_ms = self.coordinator.now_ms();
        let expires_ms = Some(request.retention_time_ms).filter(|ms| *ms >= 0);
        let expires_ms = expires_ms.map(|ms| now_ms.saturating_add(ms));
        let (mut commits, mut topics) = (Vec::new(), Vec::with_capacity(request.topics.len()));
        for topic in &request.topics {
            let found = self.log.find(&topic.name);
            let take = |asked: &OffsetCommitPartition| {
                let taken = check(found.as_ref(), asked).map(|name| {
                    commits.push(commit(name, asked, now_ms, expires_ms));
                });
                let code = taken.map_or_else(|code| code, |()| ErrorCode::None);
                let partition_index = asked.partition_index;
                OffsetCommitPartitionResponse { partition_index, error_code: code as i16 }
            };
            let partitions = topic.partitions.iter().map(take).collect();
            topics.push(OffsetCommitTopicResponse { name: topic.name.clone(), partitions });
        }
        let response = OffsetCommitResponse { topics, ..Default::default() };
        if commits.is_empty() {
            return Answer::ready(response);
        }
        self.commit(version, &request, &commits, response).await
    }

    async fn commit(
        &self,
        version: i16,
        request: &OffsetCommitRequest,
        commits: &[Commit],
        mut response: OffsetCommitResponse,
    ) -> Answer {
        let committer = Committer {
            group_id: &request.group_id,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id_or_member_epoch,
        };
        match self.coordinator.commit(committer, commits).await {
            Err(refused) => {
                fail(&mut response, code_in(version, refused.code()));
                Answer::ready(response)
            }
            Ok(pending) => Answer::Later(Box::pin(async move {
                if let Err(error) = pending.await {
                    fail(&mut response, Refused::Log(error).code());
                }
                response.into()
            })),
        }
    }
}

fn code_in(version: i16, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::GroupIdNotFound if version < VERSION_WITH_NOT_FOUND => {
            ErrorCode::IllegalGeneration
        }
        code => code,
    }
}

/// Nothing of the group was taken.
fn fail(response: &mut OffsetCommitResponse, code: ErrorCode) {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == ErrorCode::None as i16 {
            partition.error_code = code as i16;
        }
    }
}

fn check(topic: Option<&Topic>, asked: &OffsetCommitPartition) -> Result<Arc<str>, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if u32::try_from(asked.partition_index).map_or(true, |index| index >= topic.partitions) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let metadata = asked.committed_metadata.as_ref().map_or(0, |metadata| metadata.len());
    if metadata > METADATA_BYTES_MAX {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    Ok(Arc::clone(&topic.name))
}

fn commit(
    topic: Arc<str>,
    asked: &OffsetCommitPartition,
    now_ms: i64,
    expires_ms: Option<i64>,
) -> Commit {
    let committed = Committed {
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        // Copied, so that a few bytes do not keep the request alive.
        metadata: Str::from(asked.committed_metadata.as_deref().unwrap_or_default()),
        committed_ms: now_ms,
        expires_ms,
    };
    (topic, asked.partition_index, committed)
}
