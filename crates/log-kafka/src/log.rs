//! The log: topics over the cluster, and what all partitions share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use klamm_log::{
    BoxFuture, Log, LogError, NewTopic, Partition, Status, Topic, validate_topic_name,
};
use rdkafka::error::KafkaResult;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, watch};

use crate::admin::Admin;
use crate::error::{About, is_leaderless, log_error};
use crate::health::Health;
use crate::lanes::{Key, LaneConsumer, Lanes};
use crate::options::{self, Options};
use crate::partition::KafkaPartition;
use crate::producer::Producer;

/// Questions to the cluster at the same time; each occupies a thread while it waits.
const QUESTIONS_MAX: usize = 8;
/// How often a cluster that cannot be reached is asked whether it can.
const PROBE: Duration = Duration::from_millis(500);

/// Before a question is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// The log on an Apache Kafka cluster.
#[derive(Debug)]
pub struct KafkaLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) producer: Producer,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) health: Arc<Health>,
    pub(crate) admin: Admin,
    runtime: Runtime,
    questions: Arc<Semaphore>,
    /// One object for each partition, since it keeps the order of appends.
    partitions: Mutex<HashMap<Key, Weak<KafkaPartition>>>,
}

impl KafkaLog {
    /// Connects to the cluster that the `bootstrap` servers (`host:port`, separated by commas) belong to. Does not
    /// wait for it: a cluster that is down is [`Status::Unavailable`] until it answers.
    ///
    /// `properties` are librdkafka's, by its names: `security.protocol`, `sasl.username`, `compression.type`.
    ///
    /// # Errors
    /// [`LogError::InvalidConfig`] with the property that cannot be.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(
        bootstrap: &str,
        properties: &[(String, String)],
        options: Options,
    ) -> Result<Arc<Self>, LogError> {
        options::check(properties)?;
        let runtime = Runtime::current();
        let health = Arc::new(Health::new(bootstrap));
        let config = options::producer(bootstrap, properties, &options);
        let admin = Admin::new(config.clone(), options.request_timeout, Arc::clone(&health));
        let producer = Producer::new(config, &options, Arc::clone(&health))?;
        let config = options::consumer(bootstrap, properties, &options);
        let lanes = Lanes::new(config, options.lanes, Arc::clone(&health), runtime.clone())?;
        let inner = Arc::new(Inner {
            options,
            producer,
            lanes,
            health,
            admin,
            runtime,
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            partitions: Mutex::default(),
        });
        inner.runtime.spawn(probe(Arc::downgrade(&inner)));
        Ok(Arc::new(Self { inner }))
    }
}

/// Finds out that the cluster is back. Ends with the log.
async fn probe(log: Weak<Inner>) {
    loop {
        let Some(inner) = log.upgrade() else { return };
        if inner.lanes.is_closed() {
            return;
        }
        let mut status = inner.health.watch();
        if *status.borrow_and_update() == Status::Ready {
            drop(inner);
            // Ends with the sender: with the log.
            if status.changed().await.is_err() {
                return;
            }
            continue;
        }
        // Any topic's name serves; this one every cluster knows.
        let answered = inner.metadata("__consumer_offsets", PROBE * 2).await;
        if answered.is_ok() {
            inner.health.reached();
        }
        drop(inner);
        tokio::time::sleep(PROBE).await;
    }
}

impl Inner {
    pub(crate) fn request_timeout_ms(&self) -> u64 {
        self.options.request_timeout.as_millis() as u64
    }

    /// Asks the cluster something, on a thread that may block; again while leadership moves.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        about: About<'_>,
        question: impl Fn(&LaneConsumer, Duration) -> KafkaResult<T> + Clone + Send + 'static,
    ) -> Result<T, LogError> {
        let timeout = self.options.request_timeout;
        let asking = async {
            loop {
                let (consumer, question) = (self.lanes.first()?, question.clone());
                match self.blocking(move || question(&consumer, timeout)).await? {
                    Err(error) if is_leaderless(&error) => tokio::time::sleep(AGAIN).await,
                    Err(error) => return Err(log_error(&error, about)),
                    Ok(answer) => {
                        self.health.reached();
                        return Ok(answer);
                    }
                }
            }
        };
        // librdkafka keeps to the time-out itself; this one ends the repetition.
        let answer = tokio::time::timeout(timeout * 2, asking).await;
        answer.unwrap_or(Err(LogError::Timeout(about.timeout_ms)))
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LogError> {
        let permit = Arc::clone(&self.questions).acquire_owned().await;
        let permit = permit.map_err(|_| LogError::Closed)?;
        let done = self.runtime.spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| LogError::Closed)
    }

    async fn open(
        self: &Arc<Self>,
        name: &str,
        index: u32,
    ) -> Result<Arc<KafkaPartition>, LogError> {
        let topic = self.topic(name).await?;
        if index >= topic.partitions {
            return Err(LogError::UnknownPartition { topic: topic.name, index });
        }
        let key = (topic.name, index);
        if let Some(partition) = self.opened(&key) {
            return Ok(partition);
        }
        let max_message_bytes = self.admin.max_message_bytes(name).await;
        let partition = Arc::new_cyclic(|itself| KafkaPartition {
            log: Arc::clone(self),
            topic: Arc::clone(&key.0),
            index,
            max_message_bytes,
            order: Mutex::new(()),
            itself: Weak::clone(itself),
        });
        partition.led().await;
        let mut open = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, partition| partition.strong_count() > 0);
        // Another was quicker meanwhile: all appends go through one object.
        if let Some(first) = open.get(&key).and_then(Weak::upgrade) {
            return Ok(first);
        }
        open.insert(key, Arc::downgrade(&partition));
        Ok(partition)
    }

    fn opened(&self, key: &Key) -> Option<Arc<KafkaPartition>> {
        let open = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(key).and_then(Weak::upgrade)
    }

    async fn close(self: &Arc<Self>) -> Result<(), LogError> {
        let inner = Arc::clone(self);
        let flushed =
            self.blocking(move || inner.producer.close(inner.options.close_timeout)).await?;
        self.lanes.close();
        flushed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.lanes.close();
    }
}

impl Log for KafkaLog {
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, LogError>> {
        Box::pin(self.inner.topics())
    }

    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Topic, LogError>> {
        Box::pin(self.inner.topic(name))
    }

    fn create_topic(&self, topic: NewTopic) -> BoxFuture<'_, Result<Topic, LogError>> {
        Box::pin(async move {
            validate_topic_name(&topic.name)?;
            self.inner.create_topic(&topic).await
        })
    }

    fn create_partitions<'a>(
        &'a self,
        topic: &'a str,
        total: u32,
    ) -> BoxFuture<'a, Result<Topic, LogError>> {
        Box::pin(self.inner.create_partitions(topic, total))
    }

    fn alter_topic<'a>(
        &'a self,
        topic: &'a str,
        changes: Vec<(String, Option<String>)>,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { self.inner.admin.alter(topic, &changes).await })
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.inner.delete_topic(topic))
    }

    fn partition<'a>(
        &'a self,
        topic: &'a str,
        index: u32,
    ) -> BoxFuture<'a, Result<Arc<dyn Partition>, LogError>> {
        Box::pin(async move {
            let partition: Arc<dyn Partition> = self.inner.open(topic, index).await?;
            Ok(partition)
        })
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.health.watch()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(self.inner.close())
    }
}
