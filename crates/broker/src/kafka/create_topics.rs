//! CreateTopics.

use std::collections::{HashMap, HashSet};

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigResult, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use klamm_kafka_proto::{ErrorCode, Str};
use klamm_log::{Log, LogError, NewTopic};

use super::configs::source_number;
use super::{KafkaService, Refusal, wire_id};

/// The embedded log keeps one copy of each record.
const COPIES: i16 = 1;

impl KafkaService {
    pub(super) async fn create_topics(&self, request: CreateTopicsRequest) -> Answer {
        let mut named: HashMap<Str, usize> = HashMap::new();
        request.topics.iter().for_each(|topic| *named.entry(topic.name.clone()).or_default() += 1);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let created = match named[&topic.name] {
                1 => self.create_topic(topic, request.validate_only).await,
                _ => {
                    let text = "the request names this topic more than once";
                    Err(Refusal::new(ErrorCode::InvalidRequest, text))
                }
            };
            topics.push(created.unwrap_or_else(|refusal| CreatableTopicResult {
                name: topic.name.clone(),
                error_code: refusal.number(),
                error_message: refusal.message(),
                ..Default::default()
            }));
        }
        let mut told: HashSet<Str> = HashSet::new();
        topics.retain(|topic| told.insert(topic.name.clone()));
        Answer::ready(CreateTopicsResponse { topics, ..Default::default() })
    }

    async fn create_topic(
        &self,
        asked: &CreatableTopic,
        validate_only: bool,
    ) -> Result<CreatableTopicResult, Refusal> {
        let partitions = self.partitions_of(asked)?;
        check_copies(asked)?;
        let configs = asked.configs.iter().map(|config| match &config.value {
            Some(value) => Ok((config.name.to_string(), value.to_string())),
            None => Err(LogError::InvalidConfig(format!("{} has no value", config.name))),
        });
        let new = NewTopic {
            name: asked.name.to_string(),
            partitions: Some(partitions),
            replication: Some(COPIES as u16),
            configs: configs.collect::<Result<_, _>>()?,
        };
        let mut result = CreatableTopicResult {
            name: asked.name.clone(),
            num_partitions: partitions as i32,
            replication_factor: COPIES,
            ..Default::default()
        };
        if validate_only {
            self.log.validate_new_topic(&new)?;
            return Ok(result);
        }
        let topic = self.log.create_topic(new).await?;
        if asked.replication_factor > COPIES {
            tracing::info!(topic = %asked.name, asked = asked.replication_factor,
                "the embedded log keeps one copy: replication factor 1 taken in place of the one asked for");
        }
        result.topic_id = wire_id(topic.id);
        result.configs = Some(self.created_configs(&asked.name)?);
        Ok(result)
    }

    fn partitions_of(&self, asked: &CreatableTopic) -> Result<u32, Refusal> {
        if asked.assignments.is_empty() {
            return match asked.num_partitions {
                -1 => Ok(self.options.default_partitions),
                count if count > 0 => Ok(count as u32),
                count => {
                    let text = format!("a topic cannot have {count} partitions");
                    Err(LogError::InvalidPartitions(text).into())
                }
            };
        }
        if asked.num_partitions != -1 || asked.replication_factor != -1 {
            let text = "partitions and replicas are given both as numbers and one by one";
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        let mut indices: Vec<i32> = asked.assignments.iter().map(|a| a.partition_index).collect();
        indices.sort_unstable();
        let count = indices.len() as i32;
        let complete = indices.into_iter().eq(0..count);
        let brokers = asked.assignments.iter().map(|assignment| &assignment.broker_ids);
        let ours = |brokers: &Vec<i32>| brokers[..] == [self.options.node_id];
        if complete && brokers.into_iter().all(ours) {
            Ok(count as u32)
        } else {
            let text = "there is one broker, and partitions are numbered from 0 without gaps";
            Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text))
        }
    }

    fn created_configs(&self, topic: &str) -> Result<Vec<CreatableTopicConfigResult>, Refusal> {
        let entries = self.log.describe_configs(topic)?;
        let result = |entry: klamm_log::ConfigEntry| CreatableTopicConfigResult {
            name: entry.name.into(),
            value: Some(entry.value.into()),
            read_only: false,
            config_source: source_number(entry.source),
            is_sensitive: false,
        };
        Ok(entries.into_iter().map(result).collect())
    }
}

fn check_copies(asked: &CreatableTopic) -> Result<(), Refusal> {
    let copies = asked.replication_factor;
    if copies == -1 || copies > 0 {
        return Ok(());
    }
    let text = format!("a replication factor cannot be {copies}");
    Err(LogError::InvalidReplication(text).into())
}
