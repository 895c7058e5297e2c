//! Log topics in use, opened once and kept.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use klamm_log::{Log, LogError, NewTopic, Partition};
use tokio::sync::{Mutex, watch};

use crate::partition_of;

/// Log topics that messages may make through routes with captures. A topic costs files and memory, and its
/// name comes from a client: 10,000 is what DESIGN §7 sizes the embedded log for.
const TOPICS_MAX: usize = 10_000;

/// A log topic with its partitions at hand.
#[derive(Debug)]
pub struct OpenTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Every partition, by index.
    pub partitions: Vec<Arc<dyn Partition>>,
}

impl OpenTopic {
    /// The partition that records of this identity go to.
    pub fn partition(&self, identity: &str) -> &Arc<dyn Partition> {
        let index = partition_of(identity.as_bytes(), self.partitions.len() as u32);
        &self.partitions[index as usize]
    }
}

/// Opened topics by name over one log.
#[derive(Debug)]
pub struct Topics {
    log: Arc<dyn Log>,
    open: RwLock<HashMap<Arc<str>, Arc<OpenTopic>>>,
    /// One at a time asks the log, so that a burst of messages makes one topic once.
    opening: Mutex<()>,
    /// Counts topics opened: who waits for new ones looks again when it moves.
    opened: watch::Sender<u64>,
}

impl Topics {
    /// Nothing is open yet.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self {
            log,
            open: RwLock::default(),
            opening: Mutex::default(),
            opened: watch::Sender::new(0),
        }
    }

    /// The log below.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Moves whenever a topic is opened for the first time.
    pub fn opened(&self) -> watch::Receiver<u64> {
        self.opened.subscribe()
    }

    /// A topic that is open already.
    pub fn known(&self, name: &str) -> Option<Arc<OpenTopic>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Opens a topic that is there; `None` when it is not.
    ///
    /// # Errors
    /// What the log says.
    pub async fn find(&self, name: &str) -> Result<Option<Arc<OpenTopic>>, LogError> {
        if let Some(topic) = self.known(name) {
            return Ok(Some(topic));
        }
        let _one = self.opening.lock().await;
        match self.log.topic(name).await {
            Ok(topic) => self.open(&topic.name, topic.partitions).await.map(Some),
            Err(LogError::UnknownTopic(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a topic and makes it first if need be.
    ///
    /// # Errors
    /// What the log says, such as an impossible name.
    pub async fn find_or_create(
        &self,
        name: &str,
        partitions: u32,
    ) -> Result<Arc<OpenTopic>, LogError> {
        if let Some(topic) = self.find(name).await? {
            return Ok(topic);
        }
        let _one = self.opening.lock().await;
        if self.open.read().unwrap_or_else(PoisonError::into_inner).len() >= TOPICS_MAX {
            return Err(LogError::InvalidTopic {
                name: name.to_owned(),
                why: format!("would be more than {TOPICS_MAX} topics"),
            });
        }
        let new =
            NewTopic { name: name.to_owned(), partitions: Some(partitions), ..NewTopic::default() };
        let topic = match self.log.create_topic(new).await {
            // Another process, or a Kafka client of this one, was quicker.
            Err(LogError::TopicExists(_)) => self.log.topic(name).await?,
            other => other?,
        };
        tracing::info!(topic = name, partitions = topic.partitions, "made a topic for a route");
        self.open(&topic.name, topic.partitions).await
    }

    /// Forgets a topic, because it was deleted or grew.
    pub fn forget(&self, name: &str) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    async fn open(&self, name: &Arc<str>, count: u32) -> Result<Arc<OpenTopic>, LogError> {
        if let Some(topic) = self.known(name) {
            return Ok(topic);
        }
        let mut partitions = Vec::new();
        for index in 0..count {
            partitions.push(self.log.partition(name, index).await?);
        }
        let topic = Arc::new(OpenTopic { name: Arc::clone(name), partitions });
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(Arc::clone(name), Arc::clone(&topic));
        self.opened.send_modify(|count| *count += 1);
        Ok(topic)
    }
}
