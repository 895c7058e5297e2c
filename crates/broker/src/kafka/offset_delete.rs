//! OffsetDelete: forget offsets of topics that a group does not read any more (KIP-496).

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::offset_delete::{
    OffsetDeletePartitionResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetDeleteTopicResponse,
};
use klamm_kafka_proto::{ErrorCode, Str, Version, Wire};

use super::KafkaService;
use super::coordinator::GroupView;
use super::error::code_of;
use super::group::State;

/// `protocol_type` of groups whose members' metadata names topics.
const CONSUMER: &str = "consumer";

impl KafkaService {
    pub(super) async fn offset_delete(&self, request: OffsetDeleteRequest) -> Answer {
        let subscribed = self.coordinator.look(&request.group_id, subscribed_topics);
        let subscribed = match subscribed {
            None => return refuse(ErrorCode::GroupIdNotFound),
            Some(Err(code)) => return refuse(code),
            Some(Ok(subscribed)) => subscribed,
        };
        let mut which = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let is_read = subscribed.contains(&*topic.name);
            let code = if is_read { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            let name: Arc<str> = Arc::from(&*topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                if !is_read {
                    which.push((Arc::clone(&name), partition.partition_index));
                }
                let partition_index = partition.partition_index;
                OffsetDeletePartitionResponse { partition_index, error_code: code as i16 }
            });
            let partitions = partitions.collect();
            topics.push(OffsetDeleteTopicResponse { name: topic.name, partitions });
        }
        match self.coordinator.delete_offsets(&request.group_id, &which).await {
            Ok(()) => Answer::ready(OffsetDeleteResponse { topics, ..Default::default() }),
            Err(error) => refuse(code_of(&error)),
        }
    }
}

fn refuse(code: ErrorCode) -> Answer {
    Answer::ready(OffsetDeleteResponse { error_code: code as i16, ..Default::default() })
}

/// Topics that members of the group read; an error when that cannot be known.
fn subscribed_topics(group: &GroupView) -> Result<HashSet<String>, ErrorCode> {
    if group.state() == State::Empty {
        return Ok(HashSet::new());
    }
    if group.protocol_type() != CONSUMER {
        return Err(ErrorCode::NonEmptyGroup);
    }
    let mut topics = HashSet::new();
    for member in group.members().values() {
        let subscription = subscription(member.metadata(group.protocol()));
        topics.extend(subscription.ok_or(ErrorCode::NonEmptyGroup)?);
    }
    Ok(topics)
}

/// Topics of a `ConsumerProtocolSubscription`: its version, then their names, in every version.
fn subscription(mut metadata: Bytes) -> Option<Vec<String>> {
    let plain = Version { number: 0, flexible: false };
    i16::read(&mut metadata, plain).ok()?;
    let topics = Vec::<Str>::read(&mut metadata, plain).ok()?;
    Some(topics.iter().map(ToString::to_string).collect())
}
