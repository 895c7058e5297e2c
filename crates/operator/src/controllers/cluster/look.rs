//! Looks at everything there is of a cluster: pods, agents, machines, Kafka.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use klamm_agent::protocol::{Phase, State};
use kube::ResourceExt;

use super::node::NodeFacts;
use super::{Names, names, setup};
use crate::agents::{Address, Agents};
use crate::ca::Loaded;
use crate::kafka::Connections;
use crate::model::{Desired, Metadata, Node, NodeId, Observed, PodState};
use crate::observe;
use crate::packed::Packed;

/// What there is of a cluster.
#[derive(Debug, Default)]
pub struct Seen {
    /// For the decisions.
    pub observed: Observed,
    /// For what is done.
    pub nodes: BTreeMap<NodeId, NodeFacts>,
    /// Partitions are known, from now or from before.
    pub partitions_known: bool,
    /// Brokers that told what was set for them while they ran.
    pub told: BTreeSet<NodeId>,
    /// Brokers that Kafka takes to be in service.
    pub in_service: BTreeSet<NodeId>,
    /// The finalized level, while brokers answer.
    pub metadata_version: Option<i16>,
}

impl Seen {
    /// Brokers that Kafka takes to be in service while their process is known not to run: their agent waits to start it.
    pub fn dead(&self) -> impl Iterator<Item = NodeId> + '_ {
        let waits = |id: &&NodeId| {
            let agent = self.nodes.get(id).and_then(|facts| facts.agent.as_ref());
            agent.is_some_and(|agent| {
                agent.kafka.is_none() && matches!(agent.phase, Phase::Waiting { .. })
            })
        };
        self.in_service.iter().filter(waits).copied()
    }

    /// Nodes whose processes nobody accepts any more.
    pub fn cut_off(&mut self, nodes: &BTreeSet<NodeId>) {
        for (id, node) in &mut self.observed.nodes {
            node.is_cut_off = nodes.contains(id);
        }
        for (id, facts) in &mut self.nodes {
            facts.is_cut_off = nodes.contains(id);
        }
    }

    /// What nobody told of counts as it should be: a node that cannot be asked is not restarted for what it might not have.
    pub fn assume(&mut self, desired: &Desired) {
        for (id, node) in &mut self.observed.nodes {
            let Some(wanted) = desired.wanted(*id) else { continue };
            let agent = self.nodes.get(id).and_then(|facts| facts.agent.as_ref());
            let started = agent.and_then(|agent| agent.certificate.started.as_ref());
            // Without an authority there is no other certificate that it could have.
            if started.is_none() || wanted.setup.certificate.is_empty() {
                node.running.certificate.clone_from(&wanted.setup.certificate);
            }
            let serves = matches!(node.pod.state, PodState::Ready | PodState::Unresponsive);
            if node.roles.broker && serves && !self.told.contains(id) {
                node.running.config.clone_from(&wanted.setup.config);
            }
        }
    }
}

/// Which pool each node is of, whether it should be there or is.
pub type Pools = BTreeMap<NodeId, String>;

/// Pods by the id of their node.
pub fn by_id(pods: &[Pod]) -> BTreeMap<NodeId, &Pod> {
    pods.iter().filter_map(|pod| Some((names::node_id(pod.labels())?, pod))).collect()
}

/// The pool of every node that has a StatefulSet or a pod.
pub fn pools(sets: &BTreeMap<NodeId, StatefulSet>, pods: &[Pod]) -> Pools {
    let labels = sets.values().map(ResourceExt::labels).chain(pods.iter().map(ResourceExt::labels));
    let pool = labels.filter_map(|labels| {
        Some((names::node_id(labels)?, labels.get(names::LABEL_POOL)?.clone()))
    });
    pool.collect()
}

/// Asks every agent that can be asked.
pub async fn agents(
    agents: Option<&Agents>,
    names: &Names,
    pods: &[Pod],
    pools: &Pools,
) -> BTreeMap<NodeId, State> {
    let Some(agents) = agents else { return BTreeMap::new() };
    let asked = by_id(pods).into_iter().filter_map(|(id, pod)| {
        let address = address(names, pools, id, pod)?;
        Some(async move { (id, agents.state(&address).await) })
    });
    let mut states = BTreeMap::new();
    for (id, answer) in join_all(asked).await {
        match answer {
            // An address that another pod has by now would show another certificate; another node, another id.
            Ok(state) if u32::try_from(state.node_id) == Ok(id.0) => {
                states.insert(id, state);
            }
            Ok(state) => tracing::warn!(%id, says = state.node_id, "another node's agent answered"),
            Err(error) => tracing::debug!(%id, %error, "no answer"),
        }
    }
    states
}

fn address(names: &Names, pools: &Pools, id: NodeId, pod: &Pod) -> Option<Address> {
    let ip = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    Some(Address { ip, name: names.host(pools.get(&id)?, id) })
}

/// What a node's process has loaded of its certificates.
pub fn loaded(pod: Option<&Pod>, agent: Option<&State>) -> Loaded {
    let Some(pod) = pod else { return Loaded::Down };
    match agent {
        Some(State { kafka: None, .. }) => Loaded::Down,
        Some(State { certificate, .. }) => match &certificate.started {
            Some(fingerprint) => Loaded::Content(fingerprint.clone()),
            None => Loaded::Unknown,
        },
        None => {
            let running = observe::pod::kafka(pod).and_then(|container| container.state.as_ref());
            let running = running.is_some_and(|state| state.running.is_some());
            // Without a certificate the agent cannot speak and Java has not been started.
            if running { Loaded::Unknown } else { Loaded::Down }
        }
    }
}

/// Asks Kafka: brokers for everything, and controllers for the quorum if no broker answers. `before` is what was last known.
pub async fn kafka(
    connections: &Connections,
    names: &Names,
    before: Option<&Packed<Metadata>>,
    seen: &mut Seen,
) {
    let Ok(mut admin) = connections.admin(&names.namespace, &names.cluster) else { return };
    let error = match admin.snapshot().await {
        Ok(snapshot) => {
            let overrides = observe::kafka::overrides(&snapshot);
            for (id, set) in overrides {
                if let Some(node) = seen.observed.nodes.get_mut(&id) {
                    node.running.config.extend(set);
                }
                seen.told.insert(id);
            }
            seen.in_service = observe::kafka::in_service(&snapshot);
            seen.observed.metadata = Some(observe::kafka::metadata(snapshot));
            seen.partitions_known = true;
            let features = admin.describe_features().await.ok();
            seen.metadata_version =
                features.and_then(|features| features.finalized.get("metadata.version").copied());
            return;
        }
        Err(error) => error,
    };
    tracing::debug!(cluster = names.cluster, %error, "no broker answers");
    drop(admin);
    let Ok(mut admin) = connections.controllers(&names.namespace, &names.cluster) else { return };
    match admin.describe_quorum().await {
        Ok(description) => {
            let before = before.and_then(Packed::value);
            seen.partitions_known = before.is_some();
            seen.observed.metadata = Some(observe::kafka::quorum_only(&description, before));
        }
        Err(error) => tracing::debug!(cluster = names.cluster, %error, "no controller answers"),
    }
}

/// Puts together what is known of each node.
pub fn nodes(
    names: &Names,
    sets: &BTreeMap<NodeId, StatefulSet>,
    pods: &[Pod],
    pools: &Pools,
    agents: &BTreeMap<NodeId, State>,
    racks: &BTreeMap<NodeId, String>,
    now_ms: u64,
) -> Seen {
    let pods = by_id(pods);
    let mut seen = Seen::default();
    for (id, pool) in pools {
        let (pod, set, agent) = (pods.get(id).copied(), sets.get(id), agents.get(id));
        let labels = pod.map(ResourceExt::labels).or_else(|| set.map(ResourceExt::labels));
        let roles = labels.map(names::roles).unwrap_or_default();
        let running = pod.map(|pod| setup::running_of(set, pod));
        let mut running = running.unwrap_or_default();
        running.certificate =
            agent.and_then(|agent| agent.certificate.started.clone()).unwrap_or_default();
        let node = Node {
            roles,
            rack: racks.get(id).cloned(),
            pod: observe::pod::observed(pod, agent, now_ms),
            running,
            disk: observe::pod::disk(agent),
            is_cut_off: false,
        };
        let stores = node.running.config.iter();
        let stores = stores.filter(|(key, _)| is_store(key));
        let facts = NodeFacts {
            is_broker: roles.broker,
            stateful_set: names.stateful_set(pool, *id),
            has_stateful_set: set.is_some_and(|set| set.metadata.deletion_timestamp.is_none()),
            pod_name: names.pod(pool, *id),
            host: names.host(pool, *id),
            address: pod.and_then(|pod| address(names, pools, *id, pod)),
            agent: agent.cloned(),
            rack: racks.get(id).cloned(),
            stores: stores.map(|(key, value)| (key.clone(), value.clone())).collect(),
            state: node.pod.state.clone(),
            is_cut_off: false,
        };
        seen.observed.nodes.insert(*id, node);
        seen.nodes.insert(*id, facts);
    }
    seen
}

/// Files that a broker can be told to read again. Those of the controllers' listener it reads only when it starts.
fn is_store(key: &str) -> bool {
    let store = key.ends_with("ssl.keystore.location") || key.ends_with("ssl.truststore.location");
    store && key.starts_with("listener.name.") && !key.starts_with("listener.name.controller.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Setup, Wanted};

    /// A node whose agent says what its process has loaded.
    fn seen(loaded: &str) -> Seen {
        let state = serde_json::json!({
            "protocol": 1, "node_id": 0, "phase": "starting", "phase_since_ms": 0, "disk": "unknown",
            "certificate": { "started": loaded, "mounted": loaded }, "volumes": [],
        });
        let agent: State = serde_json::from_value(state).unwrap();
        let facts = NodeFacts { agent: Some(agent), ..NodeFacts::default() };
        let mut seen = Seen { nodes: [(NodeId(0), facts)].into(), ..Seen::default() };
        let running = Setup { certificate: loaded.into(), ..Setup::default() };
        seen.observed.nodes.insert(NodeId(0), Node { running, ..Node::default() });
        seen
    }

    #[test]
    fn node_is_given_another_certificate_only_where_there_is_one() {
        for (wanted, counts_as) in [("new", "old"), ("", "")] {
            let setup = Setup { certificate: wanted.into(), ..Setup::default() };
            let wanted = Wanted { roles: crate::model::Roles::BROKER, setup };
            let desired = Desired { nodes: [(NodeId(0), wanted)].into(), ..Desired::default() };
            let mut seen = seen("old");
            seen.assume(&desired);
            assert_eq!(seen.observed.nodes[&NodeId(0)].running.certificate, counts_as);
        }
    }

    #[test]
    fn decisions_and_deeds_know_who_is_cut_off() {
        let mut seen = seen("old");
        seen.cut_off(&BTreeSet::from([NodeId(0)]));
        assert!(seen.observed.nodes[&NodeId(0)].is_cut_off && seen.nodes[&NodeId(0)].is_cut_off);
        seen.cut_off(&BTreeSet::new());
        assert!(!seen.observed.nodes[&NodeId(0)].is_cut_off && !seen.nodes[&NodeId(0)].is_cut_off);
    }
}
