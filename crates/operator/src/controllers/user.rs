//! KafkaUsers: credentials, rules and quotas in Kafka, and a Secret with everything a client needs.
//!
//! ```text
//!   resources + cluster --> validate --> finalizer --> Secret --> Kafka: describe --> diff --> apply --> fingerprint --> status
//! ```
//!
//! A password stands in the Secret before Kafka hears of it, and its fingerprint only afterwards: wherever a look ends, the next one
//! knows whether Kafka has it.

mod admin;
mod apply;
mod build;
mod deliver;
mod kafka;
#[cfg(test)]
pub(crate) mod live;
#[cfg(test)]
mod model;
mod secrets;
mod settle;
mod status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::KafkaUser;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::sync::CancellationToken;

use self::apply::{Connect, Look, Memory, RENEW};
use self::kafka::KafkaUsers;
use self::secrets::KubernetesSecrets;
pub(crate) use self::secrets::USER as LABEL_USER;
pub(crate) use self::validate::secret_name;
use super::board::Batch;
use super::claims::Kind;
use super::kubernetes::Kubernetes;
use super::listing::Scope;
use super::registry::{Claimant, Key};
use super::work::{Again, Handler, Office, api, logged};
use crate::apply::FIELD_MANAGER;
use crate::context::Context;
use crate::kafka::Connections;

/// Looks after KafkaUsers until `shutdown`.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let office = Arc::new(Office::new(Kind::User, &context.settings.namespaces));
    let objects = Kubernetes::new(context.client.clone(), Arc::clone(&office));
    let secrets = KubernetesSecrets(context.client.clone());
    let handler = Arc::new(Users { objects, secrets, connections: context.kafka.clone() });
    let changes = changed_secrets(&context.client, &office.scopes);
    super::work::run(context.client, handler, office, changes, depends_on, shutdown).await;
}

struct Users {
    objects: Kubernetes<KafkaUser>,
    secrets: KubernetesSecrets,
    connections: Connections,
}

impl Handler for Users {
    type Resource = KafkaUser;
    type Memory = Memory;
    /// Each look reads a Secret for each user: ten thousand of them are then 17 requests per second.
    const COMPARE_EVERY: Duration = Duration::from_secs(600);

    async fn round(&self, batch: Batch<KafkaUser>, memory: &mut Memory) -> Again {
        let look = Look {
            kafka: &To { connections: &self.connections, cluster: batch.cluster_key.clone() },
            objects: &self.objects,
            secrets: &self.secrets,
            random: system_random,
            now: Timestamp::now(),
        };
        look.round(batch, memory).await
    }
}

fn system_random(bytes: &mut [u8]) -> Result<(), String> {
    SystemRandom::new().fill(bytes).map_err(|_| "the system gives no random bytes".to_owned())
}

struct To<'a> {
    connections: &'a Connections,
    cluster: Key,
}

impl Connect for To<'_> {
    type Admin = KafkaUsers;

    async fn connect(&self) -> Result<KafkaUsers, String> {
        let Key { namespace, name } = &self.cluster;
        let admin = self.connections.admin(namespace, name);
        admin.map(KafkaUsers).map_err(|unavailable| unavailable.to_string())
    }
}

/// Secrets that somebody else changed or deleted; their contents are not looked at here.
fn changed_secrets(
    client: &Client,
    scopes: &std::collections::BTreeSet<Scope>,
) -> impl Stream<Item = Key> + Send + Unpin + use<> {
    let watches = scopes.iter().map(|scope| {
        let secrets: Api<PartialObjectMeta<Secret>> = api(client, scope);
        let events = watcher(secrets, watcher::Config::default()).default_backoff();
        events.filter_map(logged).filter_map(async |event| changed(event)).boxed()
    });
    stream::select_all(watches)
}

fn changed(event: Event<PartialObjectMeta<Secret>>) -> Option<Key> {
    match event {
        Event::Apply(secret) if is_our_own_doing(&secret) => None,
        Event::Apply(secret) | Event::Delete(secret) => Some(Key::of(&secret)),
        // What a listing shows is read by every user's first look.
        Event::Init | Event::InitApply(_) | Event::InitDone => None,
    }
}

/// The last who wrote a delivered Secret was the operator.
fn is_our_own_doing(secret: &PartialObjectMeta<Secret>) -> bool {
    let last = secret.managed_fields().iter().max_by_key(|by| by.time.as_ref().map(|time| time.0));
    let ours = last.is_some_and(|by| by.manager.as_deref() == Some(FIELD_MANAGER));
    secret.labels().contains_key(LABEL_USER) && ours
}

fn depends_on(secret: &Key, user: &KafkaUser) -> bool {
    let own = user.namespace().is_some_and(|namespace| namespace == secret.namespace)
        && (secret_name(user) == secret.name
            || user.spec.password.as_ref().is_some_and(|of| of.name == secret.name));
    let cluster = user.cluster();
    let of_cluster = ["trust", "clients-ca"].map(|suffix| format!("{}-{suffix}", cluster.name));
    own || cluster.namespace == secret.namespace && of_cluster.contains(&secret.name)
}

impl Claimant for KafkaUser {
    fn cluster(&self) -> Key {
        let namespace = self.spec.cluster.namespace.clone().or_else(|| self.namespace());
        Key { namespace: namespace.unwrap_or_default(), name: self.spec.cluster.name.clone() }
    }

    fn claimed(&self) -> &str {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        self.spec.user_name.as_deref().unwrap_or(name)
    }

    fn is_as(&self, other: &Self) -> bool {
        self.metadata.generation == other.metadata.generation
            && self.metadata.deletion_timestamp == other.metadata.deletion_timestamp
            && self.annotations().get(RENEW) == other.annotations().get(RENEW)
    }
}
