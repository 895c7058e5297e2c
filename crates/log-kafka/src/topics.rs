//! Topics: metadata for looking, [`crate::admin`] for changing.

use std::sync::Arc;
use std::time::Duration;

use klamm_log::{LogError, NewTopic, Topic, TopicId, validate_topic_name};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::{Metadata, MetadataTopic};

use crate::error::{About, log_error, of_code};
use crate::log::Inner;

/// How often metadata is looked at while a change makes its way to all brokers.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// What metadata say about one topic.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    topic: Topic,
    /// Partitions that have no leader.
    leaderless: usize,
}

impl Inner {
    pub(crate) async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let about = About { topic: "", timeout_ms: self.request_timeout_ms() };
        let found = self.ask(about, |consumer, timeout| {
            let metadata = consumer.fetch_metadata(None, timeout)?;
            let topics = metadata.topics().iter();
            Ok(topics.filter(|topic| topic.error().is_none()).map(described).collect::<Vec<_>>())
        });
        let mut topics: Vec<Topic> = found.await?.into_iter().map(|found| found.topic).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    pub(crate) async fn topic(&self, name: &str) -> Result<Topic, LogError> {
        Ok(self.describe(name).await?.topic)
    }

    pub(crate) async fn create_topic(&self, topic: &NewTopic) -> Result<Topic, LogError> {
        self.admin.create(topic).await?;
        self.settled(&topic.name, topic.partitions.unwrap_or(1)).await
    }

    pub(crate) async fn create_partitions(
        &self,
        name: &str,
        total: u32,
    ) -> Result<Topic, LogError> {
        self.admin.grow(name, total).await?;
        self.settled(name, total).await
    }

    pub(crate) async fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        self.admin.delete(name).await?;
        let gone = async {
            while !matches!(self.describe(name).await, Err(LogError::UnknownTopic(_))) {
                tokio::time::sleep(LOOK).await;
            }
        };
        // It is deleted either way; brokers that do not know yet will.
        let _ = tokio::time::timeout(self.options.request_timeout, gone).await;
        Ok(())
    }

    pub(crate) async fn delete_records(
        &self,
        topic: &str,
        index: u32,
        before: &TopicPartitionList,
    ) -> Result<i64, LogError> {
        self.admin.delete_records(topic, index, before).await
    }

    /// Waits until metadata show that many partitions, each with a leader.
    async fn settled(&self, name: &str, partitions: u32) -> Result<Topic, LogError> {
        let looking = async {
            loop {
                match self.describe(name).await {
                    Ok(found) if found.leaderless == 0 && found.topic.partitions >= partitions => {
                        return Ok(found.topic);
                    }
                    Ok(_) | Err(LogError::UnknownTopic(_)) => tokio::time::sleep(LOOK).await,
                    Err(error) => return Err(error),
                }
            }
        };
        let timeout = self.options.request_timeout;
        let settled = tokio::time::timeout(timeout, looking).await;
        settled.unwrap_or(Err(LogError::Timeout(timeout.as_millis() as u64)))
    }

    async fn describe(&self, name: &str) -> Result<Described, LogError> {
        if validate_topic_name(name).is_err() {
            return Err(LogError::UnknownTopic(Arc::from(name)));
        }
        let about = About { topic: name, timeout_ms: self.request_timeout_ms() };
        let found = self.metadata(name, self.options.request_timeout).await?;
        self.health.reached();
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(LogError::UnknownTopic(Arc::from(name))),
            Err(code) => Err(of_code(code, about)),
        }
    }

    /// Asked through the producer's handle, which learns by the answer that a topic is there (again).
    pub(crate) async fn metadata(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Result<Option<Described>, Code>, LogError> {
        let handle = self.producer.handle();
        let asked = name.to_owned();
        let answer = self.blocking(move || -> KafkaResult<_> {
            let metadata = handle.client().fetch_metadata(Some(&asked), timeout)?;
            Ok(only(&metadata, &asked))
        });
        let about = About { topic: name, timeout_ms: timeout.as_millis() as u64 };
        answer.await?.map_err(|error| log_error(&error, about))
    }
}

fn only(metadata: &Metadata, name: &str) -> Result<Option<Described>, Code> {
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    match topic.error().map(Code::from) {
        // Made a moment ago: partitions and leaders will show.
        None | Some(Code::LeaderNotAvailable) => Ok(Some(described(topic))),
        Some(code) => Err(code),
    }
}

fn described(topic: &MetadataTopic) -> Described {
    let partitions = topic.partitions();
    let name: Arc<str> = Arc::from(topic.name());
    Described {
        leaderless: partitions.iter().filter(|partition| partition.leader() < 0).count(),
        topic: Topic {
            internal: name.starts_with("__"),
            name,
            id: TopicId::NIL,
            partitions: partitions.len() as u32,
        },
    }
}
