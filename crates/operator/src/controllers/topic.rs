//! KafkaTopics: topics made, changed and deleted, hundreds in one request.
//!
//! ```text
//!   resources + cluster --> validate --> finalizer, remembered keys --> Kafka: describe --> diff --> apply --> status
//! ```
//!
//! Nothing is kept but what stands in the resources and in Kafka: a look may end anywhere and is then taken anew.

mod admin;
mod apply;
mod assign;
mod build;
mod kafka;
#[cfg(test)]
pub(crate) mod live;
#[cfg(test)]
mod model;

mod settle;
mod status;
mod validate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use klamm_crd::{KafkaCluster, KafkaTopic};
use kube::ResourceExt;
use tokio_util::sync::CancellationToken;

use self::apply::{Connect, Look, Memory};
use self::kafka::KafkaTopics;
use self::settle::MoveLimits;
use super::board::Batch;
use super::claims::Kind;
use super::kubernetes::Kubernetes;
use super::registry::{Claimant, Key};
use super::work::{Again, Handler, Office};
use crate::context::Context;
use crate::kafka::Connections;

/// Looks after KafkaTopics until `shutdown`.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let office = Arc::new(Office::new(Kind::Topic, &context.settings.namespaces));
    let objects = Kubernetes::new(context.client.clone(), Arc::clone(&office));
    let handler = Arc::new(Topics { objects, connections: context.kafka.clone() });
    let nothing_else = futures::stream::pending();
    super::work::run(context.client, handler, office, nothing_else, |_, _| false, shutdown).await;
}

struct Topics {
    objects: Kubernetes<KafkaTopic>,
    connections: Connections,
}

impl Handler for Topics {
    type Resource = KafkaTopic;
    type Memory = Memory;
    /// Two requests for five hundred topics: forty for ten thousand.
    const COMPARE_EVERY: Duration = Duration::from_secs(120);

    async fn round(&self, batch: Batch<KafkaTopic>, memory: &mut Memory) -> Again {
        let cluster = batch.cluster_key.clone();
        let leaving = self.connections.leaving(&cluster.namespace, &cluster.name);
        let leaving = leaving.into_iter().filter_map(|id| i32::try_from(id.0).ok()).collect();
        let look = Look {
            kafka: &To { connections: &self.connections, cluster },
            objects: &self.objects,
            limits: limits(batch.cluster.as_deref(), leaving),
            now: Timestamp::now(),
        };
        look.round(batch, memory).await
    }
}

fn limits(cluster: Option<&KafkaCluster>, leaving: BTreeSet<i32>) -> MoveLimits {
    let given = cluster.and_then(|cluster| cluster.spec.reassignment.partitions_max);
    let partitions_max = given.and_then(|max| usize::try_from(max).ok());
    let default = crate::drain::Limits::default().partitions_max;
    MoveLimits { partitions_max: partitions_max.unwrap_or(default), leaving }
}

struct To<'a> {
    connections: &'a Connections,
    cluster: Key,
}

impl Connect for To<'_> {
    type Admin = KafkaTopics;

    async fn connect(&self) -> Result<KafkaTopics, String> {
        let Key { namespace, name } = &self.cluster;
        let admin = self.connections.admin(namespace, name);
        admin.map(KafkaTopics).map_err(|unavailable| unavailable.to_string())
    }
}

impl Claimant for KafkaTopic {
    fn cluster(&self) -> Key {
        let namespace = self.spec.cluster.namespace.clone().or_else(|| self.namespace());
        Key { namespace: namespace.unwrap_or_default(), name: self.spec.cluster.name.clone() }
    }

    fn claimed(&self) -> &str {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        self.spec.topic_name.as_deref().unwrap_or(name)
    }

    fn is_as(&self, other: &Self) -> bool {
        self.metadata.generation == other.metadata.generation
            && self.metadata.deletion_timestamp == other.metadata.deletion_timestamp
    }
}
