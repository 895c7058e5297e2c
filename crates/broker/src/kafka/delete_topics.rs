//! DeleteTopics, by name or by id (KIP-516).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use klamm_kafka_proto::{ErrorCode, Uuid};
use klamm_log::{Log, Topic};

use super::error::outcome;
use super::{KafkaService, OFFSETS_TOPIC, Refusal, wire_id};

/// From this version on a topic may be told by its id.
const VERSION_WITH_ID: i16 = 6;

impl KafkaService {
    pub(super) async fn delete_topics(&self, version: i16, request: DeleteTopicsRequest) -> Answer {
        let asked = if version >= VERSION_WITH_ID {
            request.topics
        } else {
            let named = |name| DeleteTopicState { name: Some(name), topic_id: Uuid::default() };
            request.topic_names.into_iter().map(named).collect()
        };
        let mut responses = Vec::with_capacity(asked.len());
        for DeleteTopicState { name, topic_id } in asked {
            let found = match &name {
                Some(_) if topic_id != Uuid::default() => {
                    let text = "a topic is named either by its name or by its id";
                    Err(Refusal::new(ErrorCode::InvalidRequest, text))
                }
                Some(name) => self.topic_by(None, name),
                None => self.topic_by(Some(topic_id), ""),
            };
            let topic = found.as_ref().ok().cloned();
            let deleted = match found {
                Ok(topic) => self.delete_topic(&topic).await,
                Err(refusal) => Err(refusal),
            };
            let (error_code, error_message) = outcome(&deleted);
            responses.push(DeletableTopicResult {
                name: name.or_else(|| topic.as_ref().map(|topic| (&*topic.name).into())),
                topic_id: topic.map_or(topic_id, |topic| wire_id(topic.id)),
                error_code,
                error_message,
            });
        }
        Answer::ready(DeleteTopicsResponse { responses, ..Default::default() })
    }

    /// Also forgets what groups committed for it, so that a topic made again under the name begins anew.
    async fn delete_topic(&self, topic: &Topic) -> Result<(), Refusal> {
        if *topic.name == *OFFSETS_TOPIC {
            let text = "groups keep their offsets in this topic";
            return Err(Refusal::new(ErrorCode::InvalidTopicException, text));
        }
        self.log.delete_topic(&topic.name).await?;
        self.coordinator.forget_topic(&topic.name).await?;
        Ok(())
    }
}
