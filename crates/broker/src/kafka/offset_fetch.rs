//! OffsetFetch: how far groups had come.

use std::sync::Arc;

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::offset_fetch::{
    OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchPartitionResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetFetchTopic, OffsetFetchTopicResponse,
};
use klamm_kafka_proto::{ErrorCode, Str};

use super::KafkaService;
use super::coordinator::{Committed, Coordinator, Offsets};

/// From this version on many groups are asked for at once (KIP-709).
const VERSION_WITH_MANY: i16 = 8;

impl KafkaService {
    pub(super) fn offset_fetch(&self, version: i16, request: OffsetFetchRequest) -> Answer {
        let coordinator = Arc::clone(&self.coordinator);
        Answer::Later(Box::pin(async move {
            if version >= VERSION_WITH_MANY {
                let mut groups = Vec::with_capacity(request.groups.len());
                for group in request.groups {
                    groups.push(fetch(&coordinator, group).await);
                }
                return OffsetFetchResponse { groups, ..Default::default() }.into();
            }
            let OffsetFetchRequest { group_id, topics, .. } = request;
            let group = OffsetFetchGroup { group_id, topics, ..Default::default() };
            let OffsetFetchGroupResponse { topics, error_code, .. } =
                fetch(&coordinator, group).await;
            OffsetFetchResponse { topics, error_code, ..Default::default() }.into()
        }))
    }
}

/// The offsets of one group. There are no transactions, so what was committed is stable (`require_stable`).
async fn fetch(coordinator: &Coordinator, asked: OffsetFetchGroup) -> OffsetFetchGroupResponse {
    let topics = asked.topics.as_deref();
    let seen = coordinator.offsets(&asked.group_id, |offsets| select(topics, offsets)).await;
    let (topics, code) = match seen {
        Ok(Some(topics)) => (topics, ErrorCode::None),
        Ok(None) => (select(topics, &Offsets::new()), ErrorCode::None),
        Err(code) => (Vec::new(), code),
    };
    OffsetFetchGroupResponse { group_id: asked.group_id, topics, error_code: code as i16 }
}

fn select(asked: Option<&[OffsetFetchTopic]>, offsets: &Offsets) -> Vec<OffsetFetchTopicResponse> {
    match asked {
        Some(asked) => asked.iter().map(|topic| of_topic(topic, offsets)).collect(),
        None => {
            let all = offsets.iter().map(|(topic, partitions)| OffsetFetchTopicResponse {
                name: (&**topic).into(),
                partitions: partitions.iter().map(|(at, found)| answer(*at, Some(found))).collect(),
            });
            all.collect()
        }
    }
}

fn of_topic(asked: &OffsetFetchTopic, offsets: &Offsets) -> OffsetFetchTopicResponse {
    let found = offsets.get(&*asked.name);
    let partition = |at: &i32| answer(*at, found.and_then(|partitions| partitions.get(at)));
    OffsetFetchTopicResponse {
        name: asked.name.clone(),
        partitions: asked.partition_indexes.iter().map(partition).collect(),
    }
}

fn answer(partition_index: i32, found: Option<&Committed>) -> OffsetFetchPartitionResponse {
    OffsetFetchPartitionResponse {
        partition_index,
        committed_offset: found.map_or(-1, |committed| committed.offset),
        committed_leader_epoch: found.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(found.map_or_else(Str::default, |committed| committed.metadata.clone())),
        error_code: ErrorCode::None as i16,
    }
}
