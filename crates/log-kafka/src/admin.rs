//! Changes to topics, through librdkafka's admin client. Its handle is opened with the first of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klamm_log::{LogError, NewTopic};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewPartitions,
    NewTopic as KafkaTopic, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

use crate::context::Context;
use crate::error::{About, log_error, of_code};
use crate::health::Health;

/// How often configurations are looked at while a change makes its way.
const LOOK: Duration = Duration::from_millis(20);
/// How long a partition waits to learn what it can do without.
const NICE_TO_KNOW: Duration = Duration::from_secs(1);
/// Of a topic's name in that of one which is only checked: with its ending, less than the 249 that a name may have.
const NAME_CHARS_MAX: usize = 240;

pub(crate) struct Admin {
    config: ClientConfig,
    timeout: Duration,
    health: Arc<Health>,
    client: Mutex<Option<Arc<AdminClient<Context>>>>,
    /// Reading and writing back a topic's configurations is one step within this process.
    altering: tokio::sync::Mutex<()>,
}

impl Admin {
    pub(crate) fn new(config: ClientConfig, timeout: Duration, health: Arc<Health>) -> Self {
        let client = Mutex::default();
        Self { config, timeout, health, client, altering: tokio::sync::Mutex::new(()) }
    }

    pub(crate) async fn create(&self, topic: &NewTopic) -> Result<(), LogError> {
        let about = self.about(&topic.name);
        let partitions = match topic.partitions {
            None => -1, // the cluster's num.partitions (KIP-464)
            Some(count) => partition_count(count)?,
        };
        let replication = topic.replication.map_or(-1, i32::from);
        let mut new =
            KafkaTopic::new(&topic.name, partitions, TopicReplication::Fixed(replication));
        for (name, value) in &topic.configs {
            check_config(&topic.name, name, value)?;
            new = new.set(name, value);
        }
        let client = self.client()?;
        match one(client.create_topics([&new], &self.options()).await, about) {
            Err(LogError::InvalidConfig(text)) => {
                let names = names(topic.configs.iter().map(|(name, _)| name));
                Err(LogError::InvalidConfig(format!("{text} among {names}")))
            }
            other => other,
        }
    }

    pub(crate) async fn grow(&self, topic: &str, total: u32) -> Result<(), LogError> {
        let total = partition_count(total)? as usize;
        let client = self.client()?;
        let new = NewPartitions::new(topic, total);
        one(client.create_partitions([&new], &self.options()).await, self.about(topic))
    }

    pub(crate) async fn delete(&self, topic: &str) -> Result<(), LogError> {
        let client = self.client()?;
        one(client.delete_topics(&[topic], &self.options()).await, self.about(topic))
    }

    /// The client library has no incremental change (KIP-339): all configurations are set that are set now, with
    /// the changes. Nor does it tell whether the cluster took them: what can be checked is checked before, and the
    /// outcome is read back.
    pub(crate) async fn alter(
        &self,
        topic: &str,
        changes: &[(String, Option<String>)],
    ) -> Result<(), LogError> {
        let _altering = self.altering.lock().await;
        let mut wanted = self.set_configs(topic).await?;
        for (name, value) in changes {
            check_config(topic, name, value.as_deref().unwrap_or(""))?;
            match value {
                Some(value) => wanted.insert(name.clone(), value.clone()),
                None => wanted.remove(name),
            };
        }
        self.check_configs(topic, &wanted, changes).await?;
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in &wanted {
            alter = alter.set(name, value);
        }
        let client = self.client()?;
        let altered = client.alter_configs([&alter], &self.options()).await;
        altered.map_err(|error| log_error(&error, self.about(topic)))?;
        let read_back = async {
            while self.set_configs(topic).await? != wanted {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        let read_back = tokio::time::timeout(self.timeout, read_back).await;
        read_back.unwrap_or_else(|_| {
            let names = names(changes.iter().map(|(name, _)| name));
            Err(LogError::Refused(format!("topic '{topic}': the cluster did not take {names}")))
        })
    }

    /// What is set for the topic itself.
    async fn set_configs(&self, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
        let entries = self.describe(topic).await?.entries.into_iter();
        let set = entries.filter(|entry| entry.source == ConfigSource::DynamicTopic);
        Ok(set.filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    /// Lets the cluster look at configurations as those of a topic that is not made.
    async fn check_configs(
        &self,
        topic: &str,
        wanted: &BTreeMap<String, String>,
        changes: &[(String, Option<String>)],
    ) -> Result<(), LogError> {
        let name: String = topic.chars().take(NAME_CHARS_MAX).chain(".check".chars()).collect();
        let mut new = KafkaTopic::new(&name, 1, TopicReplication::Fixed(-1));
        for (name, value) in wanted {
            new = new.set(name, value);
        }
        let client = self.client()?;
        let options = self.options().validate_only(true);
        match one(client.create_topics([&new], &options).await, self.about(topic)) {
            Err(LogError::InvalidConfig(text)) => {
                let names = names(changes.iter().map(|(name, _)| name));
                Err(LogError::InvalidConfig(format!("{text} among {names}")))
            }
            // Not allowed to make topics, or that one is there: the outcome will tell.
            _ => Ok(()),
        }
    }

    /// `None` when the cluster does not tell, for want of a right to know.
    pub(crate) async fn max_message_bytes(&self, topic: &str) -> Option<usize> {
        match tokio::time::timeout(NICE_TO_KNOW, self.describe(topic)).await {
            Ok(Ok(resource)) => resource.get("max.message.bytes")?.value.as_deref()?.parse().ok(),
            Ok(Err(error)) => {
                tracing::debug!(topic, %error, "max.message.bytes is not known");
                None
            }
            Err(_) => None,
        }
    }

    pub(crate) async fn delete_records(
        &self,
        topic: &str,
        index: u32,
        before: &TopicPartitionList,
    ) -> Result<i64, LogError> {
        let client = self.client()?;
        let about = self.about(topic);
        let answer = client.delete_records(before, &self.options()).await;
        let answer = answer.map_err(|error| log_error(&error, about))?;
        let element = answer.find_partition(topic, index as i32).ok_or_else(|| no_answer(topic))?;
        match element.error() {
            Ok(()) => element.offset().to_raw().ok_or_else(|| no_answer(topic)),
            Err(error) if error.rdkafka_error_code() == Some(Code::OffsetOutOfRange) => {
                Err(LogError::OffsetOutOfRange { offset: -1, start: -1, end: -1 })
            }
            Err(error) => Err(log_error(&error, about)),
        }
    }

    async fn describe(&self, topic: &str) -> Result<ConfigResource, LogError> {
        let client = self.client()?;
        let about = self.about(topic);
        let topics = [ResourceSpecifier::Topic(topic)];
        let found = client.describe_configs(&topics, &self.options()).await;
        match found.map_err(|error| log_error(&error, about))?.pop() {
            Some(Ok(resource)) => Ok(resource),
            Some(Err(code)) => Err(of_code(code, about)),
            None => Err(no_answer(topic)),
        }
    }

    fn client(&self) -> Result<Arc<AdminClient<Context>>, LogError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(Arc::clone(client));
        }
        let context = Context { health: Arc::clone(&self.health) };
        let opened: AdminClient<Context> = self
            .config
            .create_with_context(context)
            .map_err(|error: KafkaError| log_error(&error, self.about("")))?;
        Ok(Arc::clone(client.insert(Arc::new(opened))))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.timeout))
            .operation_timeout(Some(self.timeout))
    }

    fn about<'a>(&self, topic: &'a str) -> About<'a> {
        About { topic, timeout_ms: self.timeout.as_millis() as u64 }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Joins its thread and destroys its handle, which can block.
        let _ = std::thread::Builder::new().spawn(move || drop(client));
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn one(results: KafkaResult<Vec<TopicResult>>, about: About<'_>) -> Result<(), LogError> {
    match results.map_err(|error| log_error(&error, about))?.pop() {
        Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => Err(of_code(code, about)),
        None => Err(no_answer(about.topic)),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| &**name).collect::<Vec<_>>().join(", ")
}

fn no_answer(topic: &str) -> LogError {
    LogError::Unavailable(format!("topic '{topic}': the cluster's answer leaves it out"))
}

fn partition_count(count: u32) -> Result<i32, LogError> {
    i32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
        LogError::InvalidPartitions(format!("a topic cannot have {count} partitions"))
    })
}

/// A NUL would end the text on its way through C.
fn check_config(topic: &str, name: &str, value: &str) -> Result<(), LogError> {
    if name.is_empty() || name.contains('\0') || value.contains('\0') {
        return Err(LogError::InvalidConfig(format!(
            "topic '{topic}': configuration {name:?} is empty or holds a NUL"
        )));
    }
    Ok(())
}
