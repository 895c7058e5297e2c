//! What Kafka says about itself, in the words of the decisions.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka::admin::{ClusterSnapshot, PartitionSnapshot, QuorumDescription, QuorumReplica};

use crate::model::{DirectoryId, Metadata, NodeId, Partition, Quorum, Replica};

/// Kafka keeps these once for all brokers, and refuses them for a single one (KIP-966, `eligible.leader.replicas.version`).
pub const CLUSTER_WIDE: &[&str] = &["min.insync.replicas"];

/// Everything, through brokers.
pub fn metadata(snapshot: ClusterSnapshot) -> Metadata {
    Metadata {
        cluster_id: snapshot.cluster_id.parse().ok(),
        throttle_bytes_per_s: snapshot.throttle_bytes_per_s(),
        partitions: snapshot.partitions.into_iter().map(partition).collect(),
        quorum: quorum(&snapshot.quorum),
        registered: snapshot.brokers.iter().filter_map(|broker| node(broker.id)).collect(),
    }
}

/// The quorum alone, through controllers, while no broker answers. What is said of partitions is what they were like when
/// one last did; without that, nothing.
pub fn quorum_only(description: &QuorumDescription, before: Option<Metadata>) -> Metadata {
    Metadata { quorum: quorum(description), ..before.unwrap_or_default() }
}

/// What was set for each broker while it ran: it goes before what the broker was started with.
pub fn overrides(snapshot: &ClusterSnapshot) -> BTreeMap<NodeId, BTreeMap<String, String>> {
    let mut overrides = BTreeMap::new();
    for (id, entries) in &snapshot.broker_configs {
        let (Some(id), Ok(entries)) = (node(*id), entries) else { continue };
        let own = entries.iter().filter(|entry| {
            entry.is_broker_override() || CLUSTER_WIDE.contains(&entry.name.as_str())
        });
        // The throttle comes and goes with what is moved; it is nobody's configuration.
        let own = own.filter(|entry| !entry.name.contains(".replication.throttled."));
        let set = own.filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)));
        overrides.insert(id, set.collect());
    }
    overrides
}

/// Brokers that are registered and not fenced.
pub fn in_service(snapshot: &ClusterSnapshot) -> BTreeSet<NodeId> {
    let there = snapshot.brokers.iter().filter(|broker| !broker.is_fenced);
    there.filter_map(|broker| node(broker.id)).collect()
}

fn partition(partition: PartitionSnapshot) -> Partition {
    Partition {
        topic: partition.partition.topic,
        index: u32::try_from(partition.partition.partition).unwrap_or_default(),
        leader: partition.leader.and_then(node),
        replicas: nodes(partition.replicas),
        adding: nodes(partition.adding),
        removing: nodes(partition.removing),
        isr: nodes(partition.isr),
        min_isr: partition.min_isr,
        bytes: partition.bytes,
    }
}

fn quorum(description: &QuorumDescription) -> Quorum {
    let replicas = |all: &[QuorumReplica]| all.iter().filter_map(replica).collect();
    Quorum {
        leader: description.leader.and_then(node),
        voters: replicas(&description.voters),
        observers: replicas(&description.observers),
    }
}

/// What the leader never heard of since it leads is as far behind as can be.
fn replica(replica: &QuorumReplica) -> Option<Replica> {
    Some(Replica {
        node: node(replica.node)?,
        directory: DirectoryId::from_bytes(replica.directory.0),
        lag_ms: replica.lag_ms.unwrap_or(u64::MAX),
        silent_ms: replica.silent_ms.unwrap_or(u64::MAX),
    })
}

fn nodes(ids: Vec<i32>) -> Vec<NodeId> {
    ids.into_iter().filter_map(node).collect()
}

fn node(id: i32) -> Option<NodeId> {
    u32::try_from(id).ok().map(NodeId)
}
