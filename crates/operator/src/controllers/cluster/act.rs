//! What was decided is done: by the agents, by Kafka, by Kubernetes.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use klamm_agent::protocol::{self, Loaded, Phase};
use klamm_kafka::KafkaError;
use klamm_kafka::admin::{
    ConfigAlteration, ConfigChange, Resource, TopicPartition, Voter, VoterListener,
};
use klamm_kafka_proto::{ErrorCode, Uuid};

use super::node::NodeFacts;
use crate::agents::Agents;
use crate::apply::Applier;
use crate::kafka::{Connections, Lent, Unavailable};
use crate::model::{Desired, DirectoryId, NodeId};
use crate::observe::kafka::CLUSTER_WIDE;
use crate::observe::settling::Settling;
use crate::quorum::{self, Format, Permit};
use crate::step::{Action, Progress};
use crate::{drain, roller};

/// Why something was not done. The next pass decides anew.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Of Kafka.
    #[error("{what}: {error}")]
    Kafka {
        /// What was tried.
        what: String,
        /// In Kafka's words.
        error: KafkaError,
    },
    /// Kafka refused.
    #[error("{what}: {why}")]
    Refused {
        /// What was tried.
        what: String,
        /// In Kafka's words.
        why: String,
    },
    /// There is no connection.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Of Kubernetes.
    #[error("{what}: {}", crate::apply::words(error))]
    Kubernetes {
        /// What was tried.
        what: String,
        /// In its words.
        error: Box<kube::Error>,
    },
}

/// Where the agent puts the certificates of listeners that have their own.
const LISTENERS: &str = "/run/kafka/listeners/";
/// Where the throttle's rates are kept, on each broker.
const RATES: [&str; 2] =
    ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];
/// Whose replicas it holds back, on each topic. Replicas in sync are never held back, so all of them may be named.
const REPLICAS: [&str; 2] =
    ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Does things to one cluster.
#[derive(Debug)]
pub struct Actor<'a> {
    /// The cluster's namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Kafka's name for it.
    pub cluster_id: Option<String>,
    /// Its agents; none while there is no certificate.
    pub agents: Option<&'a Agents>,
    /// Connections to Kafka.
    pub kafka: &'a Connections,
    /// Kubernetes.
    pub applier: &'a Applier,
    /// What is known of each node.
    pub nodes: &'a BTreeMap<NodeId, NodeFacts>,
    /// What should be.
    pub desired: &'a Desired,
    /// Partitions are known; without them nothing that serves is stopped or moved.
    pub partitions_known: bool,
    /// Partitions that may be on the move although Kafka does not say so: they are not moved.
    pub settling: &'a Settling,
    /// A throttle is to be set for what moves.
    pub throttled: bool,
}

impl Actor<'_> {
    /// Does it all in order; permits are told at once and wait for nobody. After a failure the rest of its kind is left for the next pass, and
    /// nothing else: a move that Kafka refuses again and again keeps no node from being restarted. What came of changes to running nodes gets
    /// into `progress`.
    pub async fn act(
        &self,
        actions: &[Action],
        progress: &mut Progress,
        now_ms: u64,
    ) -> Vec<ActError> {
        let permits = actions.iter().filter_map(|action| match action {
            Action::Permit(node, permit) => Some((*node, permit)),
            _ => None,
        });
        join_all(permits.map(|(node, permit)| self.permit(node, permit))).await;
        let mut failed = Vec::new();
        let mut errors = Vec::new();
        for action in actions {
            let kind = std::mem::discriminant(action);
            if failed.contains(&kind) {
                continue;
            }
            if let Err(error) = self.one(action, progress, now_ms).await {
                failed.push(kind);
                errors.push(error);
            }
        }
        errors
    }

    async fn one(
        &self,
        action: &Action,
        progress: &mut Progress,
        now_ms: u64,
    ) -> Result<(), ActError> {
        match action {
            Action::Permit(..) => Ok(()),
            Action::Quorum(action) => self.quorum(action).await,
            Action::Roller(roller::Action::Restart { node, pod, reasons }) => {
                self.restart(*node, pod, reasons).await
            }
            Action::Roller(roller::Action::AlterConfig { node, properties }) => {
                let altered = self.alter(*node, properties).await?;
                let progress = &mut progress.roller;
                roller::handle_altered(progress, self.desired, *node, altered, now_ms);
                Ok(())
            }
            Action::Roller(roller::Action::ReloadCertificate { node }) => {
                let Some(reloaded) = self.reload(*node).await? else { return Ok(()) };
                let progress = &mut progress.roller;
                roller::handle_altered(progress, self.desired, *node, reloaded, now_ms);
                Ok(())
            }
            Action::Drain(_) | Action::Stop(_) | Action::Unregister(_)
                if !self.partitions_known =>
            {
                Ok(())
            }
            Action::Drain(action) => self.drain(action).await,
            Action::Stop(node) => self.stop(*node).await,
            Action::Unregister(node) => self.unregister(*node).await,
        }
    }

    /// Only an agent that waits is told; one that does not answer is asked in the next pass.
    async fn permit(&self, node: NodeId, permit: &Permit) {
        let Some((agents, facts)) = self.agents.zip(self.nodes.get(&node)) else { return };
        let Some((address, state)) = facts.address.as_ref().zip(facts.agent.as_ref()) else {
            return;
        };
        if !matches!(state.phase, Phase::Waiting { .. }) {
            return;
        }
        let permit = self.words(facts, permit);
        if state.phase == waiting(&permit) {
            return;
        }
        match agents.permit(address, &permit).await {
            Ok(()) => tracing::info!(cluster = self.name, node = node.0, ?permit, "permitted"),
            Err(error) => {
                tracing::warn!(cluster = self.name, node = node.0, %error, "not permitted");
            }
        }
    }

    /// A permit as agents read it.
    fn words(&self, facts: &NodeFacts, permit: &Permit) -> protocol::Permit {
        match permit {
            Permit::Wait(why) => protocol::Permit::Wait(protocol::Wait { reason: why.to_string() }),
            Permit::Format(format) => {
                let (cluster_id, initial) = match format {
                    Format::Join { cluster_id } => (cluster_id, None),
                    Format::Initial { cluster_id, controllers } => {
                        (cluster_id, Some(self.initial(controllers)))
                    }
                };
                let cluster_id = cluster_id.to_string();
                protocol::Permit::Format(protocol::Format { cluster_id, initial })
            }
            Permit::Start => protocol::Permit::Start(protocol::Start { rack: facts.rack.clone() }),
        }
    }

    /// As `kafka-storage.sh format --initial-controllers` reads it.
    fn initial(&self, controllers: &BTreeMap<NodeId, DirectoryId>) -> String {
        let one = |(id, directory): (&NodeId, &DirectoryId)| {
            let host = self.nodes.get(id).map_or("", |facts| &facts.host);
            format!("{id}@{host}:{}:{directory}", super::names::CONTROLLER_PORT)
        };
        let all: Vec<String> = controllers.iter().map(one).collect();
        all.join(",")
    }

    async fn quorum(&self, action: &quorum::Action) -> Result<(), ActError> {
        let mut admin = self.kafka.controllers(self.namespace, self.name)?;
        let cluster_id = self.cluster_id.as_deref();
        tracing::info!(cluster = self.name, ?action, "the voters are changed");
        let (what, done) = match action {
            quorum::Action::AddVoter { node, directory } => {
                let host = self.nodes.get(node).map(|facts| facts.host.clone()).unwrap_or_default();
                let listener = VoterListener {
                    name: "CONTROLLER".to_owned(),
                    host,
                    port: super::names::CONTROLLER_PORT,
                };
                let voter = voter(*node, *directory);
                let done = admin.add_raft_voter(cluster_id, voter, &[listener]).await;
                (format!("add voter {node}"), unless(done, ErrorCode::DuplicateVoter))
            }
            quorum::Action::RemoveVoter { node, directory } => {
                let done = admin.remove_raft_voter(cluster_id, voter(*node, *directory)).await;
                (format!("remove voter {node}"), unless(done, ErrorCode::VoterNotFound))
            }
        };
        done.map_err(|error| ActError::Kafka { what, error })
    }

    async fn restart(
        &self,
        node: NodeId,
        uid: &str,
        reasons: &[roller::Reason],
    ) -> Result<(), ActError> {
        let Some(facts) = self.nodes.get(&node) else { return Ok(()) };
        // Without partitions it is not known whom a node that serves would be missed by.
        if !self.partitions_known && facts.serves() {
            return Ok(());
        }
        let why: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        tracing::info!(cluster = self.name, node = node.0, why = why.join(", "), "restarts");
        let deleted =
            self.applier.delete::<Pod>(self.namespace, &facts.pod_name, Some(uid.to_owned())).await;
        deleted.map_err(kubernetes(|| format!("restart node {node}")))
    }

    /// What Kafka said to the changes; an error only when it could not be asked.
    async fn alter(
        &self,
        node: NodeId,
        properties: &BTreeMap<String, Option<String>>,
    ) -> Result<Result<(), String>, ActError> {
        let keys: Vec<&String> = properties.keys().collect();
        tracing::info!(cluster = self.name, node = node.0, ?keys, "changed while it runs");
        let changes = |wide: bool| -> Vec<ConfigChange> {
            let some = properties.iter();
            some.filter(|(key, _)| CLUSTER_WIDE.contains(&key.as_str()) == wide)
                .map(|(key, value)| match value {
                    Some(value) => ConfigChange::Set(key.clone(), value.clone()),
                    None => ConfigChange::Delete(key.clone()),
                })
                .collect()
        };
        for (resource, wide) in
            [(Resource::EveryBroker, true), (Resource::Broker(broker(node)), false)]
        {
            let changes = changes(wide);
            if changes.is_empty() {
                continue;
            }
            let changed = self.change(resource, changes).await?;
            if changed.is_err() {
                return Ok(changed);
            }
        }
        Ok(Ok(()))
    }

    /// Has the broker read its certificates again. None while the new ones have not reached its pod.
    async fn reload(&self, node: NodeId) -> Result<Option<Result<(), String>>, ActError> {
        let Some(facts) = self.nodes.get(&node) else { return Ok(None) };
        let mounted = facts.agent.as_ref().and_then(|agent| agent.certificate.mounted.clone());
        let wanted = self.desired.wanted(node).map(|wanted| &wanted.setup.certificate);
        let Some(mounted) = mounted.filter(|mounted| Some(mounted) == wanted) else {
            return Ok(None);
        };
        // Writing a value that is there makes the broker look at the file behind it.
        let changes =
            facts.stores.iter().map(|(key, path)| ConfigChange::Set(key.clone(), path.clone()));
        tracing::info!(cluster = self.name, node = node.0, "reads its certificates again");
        let reloaded = self.change(Resource::Broker(broker(node)), changes.collect()).await?;
        if let (Ok(()), Some((agents, address))) =
            (&reloaded, self.agents.zip(facts.address.as_ref()))
            && let Err(error) =
                agents.loaded(address, &Loaded { loaded: mounted, listeners: None }).await
        {
            tracing::warn!(cluster = self.name, node = node.0, %error, "not told of its certificate");
        }
        Ok(Some(reloaded))
    }

    /// Has brokers read the certificates of listeners that have their own again, where the agent sees other ones than were loaded.
    ///
    /// # Errors
    /// When Kafka cannot be asked, or refuses one.
    pub async fn reload_listeners(&self) -> Result<(), ActError> {
        for (id, facts) in self.nodes.iter().filter(|(_, facts)| facts.is_broker) {
            let Some((agent, address)) = facts.agent.as_ref().zip(facts.address.as_ref()) else {
                continue;
            };
            let (started, mounted) = (&agent.listeners.started, &agent.listeners.mounted);
            if agent.phase != Phase::Ready
                || started.is_none()
                || mounted.is_none()
                || started == mounted
            {
                continue;
            }
            let own = facts.stores.iter().filter(|(_, path)| path.starts_with(LISTENERS));
            let changes = own.map(|(key, path)| ConfigChange::Set(key.clone(), path.clone()));
            tracing::info!(
                cluster = self.name,
                node = id.0,
                "reads its listeners' certificates again"
            );
            let reloaded = self.change(Resource::Broker(broker(*id)), changes.collect()).await?;
            let what = || format!("certificates of the listeners of node {id}");
            reloaded.map_err(|why| ActError::Refused { what: what(), why })?;
            let loaded = agent.certificate.started.clone().unwrap_or_default();
            let loaded = Loaded { loaded, listeners: mounted.clone() };
            if let Some(agents) = self.agents
                && let Err(error) = agents.loaded(address, &loaded).await
            {
                tracing::warn!(cluster = self.name, node = id.0, %error, "not told of its certificates");
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        resource: Resource,
        changes: Vec<ConfigChange>,
    ) -> Result<Result<(), String>, ActError> {
        let what = || format!("change {resource:?}");
        let alteration = ConfigAlteration { resource: resource.clone(), changes };
        let mut admin = self.admin()?;
        let outcomes = admin.incremental_alter_configs(&[alteration], false).await;
        let mut outcomes = outcomes.map_err(|error| ActError::Kafka { what: what(), error })?;
        match outcomes.remove(&resource) {
            Some(Err(error)) if error.is_retryable() => {
                Err(ActError::Kafka { what: what(), error })
            }
            Some(Err(error)) => Ok(Err(error.to_string())),
            Some(Ok(())) | None => Ok(Ok(())),
        }
    }

    async fn drain(&self, action: &drain::Action) -> Result<(), ActError> {
        match action {
            drain::Action::Throttle { bytes_per_s } => self.rates(Some(*bytes_per_s)).await,
            drain::Action::Unthrottle => {
                self.hold_back(None).await?;
                self.rates(None).await
            }
            drain::Action::Reassign { topic, index, .. }
                if !self.settling.is_settled(topic, *index) =>
            {
                Ok(())
            }
            drain::Action::Reassign { topic, index, replicas } => {
                if self.throttled {
                    self.hold_back(Some(topic)).await?;
                }
                self.reassign(topic, *index, replicas).await
            }
        }
    }

    /// The throttle's rate on every broker; none takes it away.
    async fn rates(&self, bytes_per_s: Option<u64>) -> Result<(), ActError> {
        let brokers = self.nodes.iter().filter(|(_, facts)| facts.is_broker && facts.serves());
        let change = |key: &&str| match bytes_per_s {
            Some(rate) => ConfigChange::Set((*key).to_owned(), rate.to_string()),
            None => ConfigChange::Delete((*key).to_owned()),
        };
        let alterations: Vec<ConfigAlteration> = brokers
            .map(|(id, _)| ConfigAlteration {
                resource: Resource::Broker(broker(*id)),
                changes: RATES.iter().map(change).collect(),
            })
            .collect();
        tracing::info!(cluster = self.name, ?bytes_per_s, "replication throttle");
        self.all("throttle replication", &alterations).await
    }

    /// The throttle is for this topic too; none: for no topic any more.
    async fn hold_back(&self, topic: Option<&str>) -> Result<(), ActError> {
        let alterations = match topic {
            Some(topic) => {
                vec![alteration(topic, |key| ConfigChange::Set(key.to_owned(), "*".to_owned()))]
            }
            None => {
                let topics = self.held_back().await?;
                let delete = |key: &str| ConfigChange::Delete(key.to_owned());
                topics.iter().map(|topic| alteration(topic, delete)).collect()
            }
        };
        self.all("throttle a topic", &alterations).await
    }

    async fn held_back(&self) -> Result<Vec<String>, ActError> {
        let mut admin = self.admin()?;
        let what = || "read the topics' throttles".to_owned();
        let failed = |error| ActError::Kafka { what: what(), error };
        let topics = admin.metadata(None).await.map_err(failed)?;
        let resources: Vec<Resource> = topics.into_keys().map(Resource::Topic).collect();
        let configs = admin.describe_configs(&resources, Some(&REPLICAS)).await.map_err(failed)?;
        let held = configs.into_iter().filter_map(|(resource, entries)| {
            let Resource::Topic(topic) = resource else { return None };
            let set = entries
                .ok()?
                .iter()
                .any(|entry| entry.value.as_deref().is_some_and(|value| !value.is_empty()));
            set.then_some(topic)
        });
        Ok(held.collect())
    }

    async fn all(&self, what: &str, alterations: &[ConfigAlteration]) -> Result<(), ActError> {
        let failed = |error| ActError::Kafka { what: what.to_owned(), error };
        let outcomes = self.admin()?.incremental_alter_configs(alterations, false).await;
        for (_, outcome) in outcomes.map_err(failed)? {
            outcome.map_err(failed)?;
        }
        Ok(())
    }

    async fn reassign(&self, topic: &str, index: u32, replicas: &[NodeId]) -> Result<(), ActError> {
        let partition = i32::try_from(index).unwrap_or(i32::MAX);
        let partition = TopicPartition { topic: topic.to_owned(), partition };
        let what = || format!("move {topic}-{index}");
        let failed = |error| ActError::Kafka { what: what(), error };
        let replicas: Vec<i32> = replicas.iter().map(|id| broker(*id)).collect();
        tracing::info!(cluster = self.name, topic, index, ?replicas, "moves");
        let moves = BTreeMap::from([(partition, Some(replicas))]);
        let outcomes = self.admin()?.alter_partition_reassignments(&moves).await;
        for (_, outcome) in outcomes.map_err(failed)? {
            outcome.map_err(failed)?;
        }
        Ok(())
    }

    async fn stop(&self, node: NodeId) -> Result<(), ActError> {
        let Some(facts) = self.nodes.get(&node).filter(|facts| facts.has_stateful_set) else {
            return Ok(());
        };
        tracing::info!(cluster = self.name, node = node.0, "has neither replica nor vote and goes");
        let deleted =
            self.applier.delete::<StatefulSet>(self.namespace, &facts.stateful_set, None).await;
        deleted.map_err(kubernetes(|| format!("stop node {node}")))
    }

    async fn unregister(&self, node: NodeId) -> Result<(), ActError> {
        let done = self.admin()?.unregister_broker(broker(node)).await;
        let what = format!("unregister broker {node}");
        unless(done, ErrorCode::BrokerIdNotRegistered)
            .map_err(|error| ActError::Kafka { what, error })
    }

    /// Tells Kafka that these brokers' processes are dead. It would find out when their sessions end, nine seconds after the last sign of life;
    /// until then their partitions have no leader, and they themselves may not come back.
    ///
    /// # Errors
    /// Of Kafka.
    pub async fn fence(&self, dead: &[NodeId]) -> Result<(), ActError> {
        for node in dead {
            tracing::info!(
                cluster = self.name,
                node = node.0,
                "its process died; its registration is taken away"
            );
            self.unregister(*node).await?;
        }
        Ok(())
    }

    fn admin(&self) -> Result<Lent, Unavailable> {
        self.kafka.admin(self.namespace, self.name)
    }
}

/// The phase an agent is in after this permit to wait: it need not be told again.
fn waiting(permit: &protocol::Permit) -> Phase {
    match permit {
        protocol::Permit::Wait(wait) => Phase::Waiting { reason: wait.reason.clone() },
        protocol::Permit::Format(_) => Phase::Formatting,
        protocol::Permit::Start(_) => Phase::Starting,
    }
}

fn alteration(topic: &str, change: impl Fn(&str) -> ConfigChange) -> ConfigAlteration {
    let resource = Resource::Topic(topic.to_owned());
    ConfigAlteration { resource, changes: REPLICAS.iter().map(|key| change(key)).collect() }
}

fn kubernetes(what: impl FnOnce() -> String) -> impl FnOnce(kube::Error) -> ActError {
    |error| ActError::Kubernetes { what: what(), error: Box::new(error) }
}

/// It was done before.
fn unless(done: Result<(), KafkaError>, before: ErrorCode) -> Result<(), KafkaError> {
    match done {
        Err(error) if error.code() == Some(before) => Ok(()),
        done => done,
    }
}

fn voter(node: NodeId, directory: DirectoryId) -> Voter {
    Voter { node: broker(node), directory: Uuid(directory.bytes()) }
}

fn broker(node: NodeId) -> i32 {
    i32::try_from(node.0).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failure_ends_its_own_kind_and_no_other() {
        let nowhere = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
        let applier = Applier::new(kube::Client::try_from(nowhere).unwrap());
        let (nodes, desired) = (BTreeMap::new(), Desired::default());
        let (kafka, settling) = (Connections::default(), Settling::default());
        let actor = Actor {
            namespace: "n",
            name: "c",
            cluster_id: None,
            agents: None,
            kafka: &kafka,
            applier: &applier,
            nodes: &nodes,
            desired: &desired,
            partitions_known: true,
            settling: &settling,
            throttled: false,
        };
        let actions = [
            Action::Drain(drain::Action::Throttle { bytes_per_s: 1 }),
            Action::Drain(drain::Action::Unthrottle),
            Action::Unregister(NodeId(1)),
            Action::Unregister(NodeId(2)),
        ];
        let errors = actor.act(&actions, &mut Progress::default(), 0).await;
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
