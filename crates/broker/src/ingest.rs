//! Messages into the log: grouped by partition, in order, one batch each.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::BatchBuilder;
use klamm_log::{Durability, LogError, Partition, Pending};

use crate::mapping;
use crate::message::{Message, QoS};
use crate::metrics::Metrics;
use crate::route::{Destination, RouteTable};
use crate::topics::{OpenTopic, Topics};

/// Size at which a batch is closed and the next begun; half of Kafka's `max.message.bytes`, so that one
/// more message of the usual size does not exceed it.
const BATCH_BYTES: usize = 512 << 10;

/// An admitted batch: what became of which messages.
#[derive(Debug)]
#[must_use = "messages are acknowledged only when `pending` resolves"]
pub struct Admitted {
    /// Indices of the messages within the call, in order.
    pub messages: Vec<usize>,
    /// Resolves when they are durable; an error at once for those that cannot be taken.
    pub pending: Pending,
}

/// The way into the log for every protocol.
#[derive(Debug)]
pub struct Ingest {
    topics: Arc<Topics>,
    routes: Arc<RouteTable>,
    metrics: Arc<Metrics>,
}

struct Group {
    partition: Arc<dyn Partition>,
    builder: BatchBuilder,
    durability: Durability,
    messages: Vec<usize>,
}

impl Ingest {
    /// Over these topics and routes.
    pub fn new(topics: Arc<Topics>, routes: Arc<RouteTable>, metrics: Arc<Metrics>) -> Self {
        Self { topics, routes, metrics }
    }

    /// Appends messages. Those for one partition keep their order, within a call and between calls that wait
    /// for each other. Waits while the log has no room: whoever calls does not read its socket meanwhile.
    pub async fn append(&self, messages: &[Message]) -> Vec<Admitted> {
        let mut admitted = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            self.metrics.mqtt_payload_bytes_in.add(message.payload.len() as u64);
            let to = self.routes.resolve(&message.name);
            match self.topic(&to).await {
                Ok(topic) => {
                    let partition = topic.partition(&to.identity);
                    let full = add(&mut groups, partition, index, message, &to.key);
                    if let Some(group) = full {
                        admitted.push(self.send(group).await);
                    }
                }
                Err(error) => admitted
                    .push(Admitted { messages: vec![index], pending: Pending::ready(Err(error)) }),
            }
        }
        for group in groups {
            admitted.push(self.send(group).await);
        }
        admitted
    }

    async fn topic(&self, to: &Destination) -> Result<Arc<OpenTopic>, LogError> {
        match self.topics.known(&to.topic) {
            Some(topic) => Ok(topic),
            None => {
                let partitions = self.routes.partitions(to.route);
                self.topics.find_or_create(&to.topic, partitions).await
            }
        }
    }

    async fn send(&self, mut group: Group) -> Admitted {
        let batch = group.builder.build();
        let pending = self.admit(&group.partition, batch, group.durability).await;
        let pending = pending.unwrap_or_else(|error| Pending::ready(Err(error)));
        Admitted { messages: group.messages, pending }
    }

    async fn admit(
        &self,
        partition: &Arc<dyn Partition>,
        batch: Bytes,
        durability: Durability,
    ) -> Result<Pending, LogError> {
        let mut partition = Arc::clone(partition);
        let mut reopened = false;
        loop {
            match partition.append(batch.clone(), durability) {
                Err(LogError::Full) => partition.ready().await,
                // Deleted, and perhaps made again, while it was open here: look once more.
                Err(LogError::UnknownTopic(name)) if !reopened => {
                    reopened = true;
                    self.topics.forget(&name);
                    let index = partition.index() as usize;
                    let topic = self.topics.find(&name).await?;
                    match topic.as_ref().and_then(|topic| topic.partitions.get(index)) {
                        Some(again) => partition = Arc::clone(again),
                        None => return Err(LogError::UnknownTopic(name)),
                    }
                }
                other => return other,
            }
        }
    }
}

/// Adds a message to its partition's group; returns the group that had no room for it.
fn add(
    groups: &mut Vec<Group>,
    partition: &Arc<dyn Partition>,
    index: usize,
    message: &Message,
    key: &str,
) -> Option<Group> {
    let at = groups.iter().position(|group| Arc::ptr_eq(&group.partition, partition));
    let room = BATCH_BYTES.saturating_sub(message.payload.len());
    let full =
        at.filter(|at| groups[*at].builder.len_bytes() > room).map(|at| groups.swap_remove(at));
    let at = at.filter(|_| full.is_none()).unwrap_or_else(|| {
        groups.push(Group {
            partition: Arc::clone(partition),
            builder: BatchBuilder::new(),
            durability: Durability::Written,
            messages: Vec::new(),
        });
        groups.len() - 1
    });
    let group = &mut groups[at];
    group.builder.append(
        message.timestamp_ms,
        Some(key.as_bytes()),
        Some(&message.payload),
        &mapping::headers(message, key),
    );
    group.messages.push(index);
    if message.qos > QoS::AtMostOnce {
        group.durability = Durability::Synced;
    }
    full
}
