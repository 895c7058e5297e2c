//! What Kafka says about itself.

use serde::{Deserialize, Serialize};

use super::{ClusterId, DirectoryId, NodeId};

/// Kafka's answers to Metadata, DescribeQuorum, ListPartitionReassignments, DescribeLogDirs and DescribeConfigs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The cluster's identity.
    pub cluster_id: Option<ClusterId>,
    /// Every partition of every topic.
    pub partitions: Vec<Partition>,
    /// The metadata quorum.
    pub quorum: Quorum,
    /// Brokers that are registered, fenced or not.
    pub registered: Vec<NodeId>,
    /// The replication throttle that is set, in bytes per second and broker.
    pub throttle_bytes_per_s: Option<u64>,
}

/// A partition and its replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its topic.
    pub topic: String,
    /// Its number in the topic.
    pub index: u32,
    /// Who leads it.
    pub leader: Option<NodeId>,
    /// Who has or gets a replica; the first is the preferred leader.
    pub replicas: Vec<NodeId>,
    /// Those of `replicas` that a reassignment adds (KIP-455).
    pub adding: Vec<NodeId>,
    /// Those of `replicas` that a reassignment takes away.
    pub removing: Vec<NodeId>,
    /// The replicas in sync.
    pub isr: Vec<NodeId>,
    /// The topic's `min.insync.replicas`.
    pub min_isr: usize,
    /// Size of one replica.
    pub bytes: u64,
}

impl Partition {
    /// How many replicas it is meant to have, a reassignment in flight left aside.
    pub fn replication_factor(&self) -> usize {
        self.replicas.len() - self.adding.len()
    }

    /// Loses its availability for `acks=all` with any one of its replicas, whatever we do: such a partition is not
    /// waited for.
    pub fn is_fragile(&self) -> bool {
        self.replication_factor() <= self.min_isr
    }

    /// A reassignment is in flight.
    pub fn is_moving(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// Its replicas once the reassignment in flight, if any, is through.
    pub fn target(&self) -> Vec<NodeId> {
        self.replicas.iter().copied().filter(|node| !self.removing.contains(node)).collect()
    }

    /// As `kafka-topics.sh` would name it.
    pub fn name(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }
}

/// The metadata quorum as its leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// The active controller. Nothing below is current without one.
    pub leader: Option<NodeId>,
    /// Who votes.
    pub voters: Vec<Replica>,
    /// Who follows without a vote.
    pub observers: Vec<Replica>,
}

/// A follower of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The node.
    pub node: NodeId,
    /// Its disk. A voter with the same node and another disk is another voter.
    pub directory: DirectoryId,
    /// How long ago it had everything the leader had.
    pub lag_ms: u64,
    /// How long ago it fetched at all.
    pub silent_ms: u64,
}

/// `controller.quorum.fetch.timeout.ms`: a voter that was caught up within it is in step.
pub const QUORUM_FETCH_TIMEOUT_MS: u64 = 2_000;

impl Replica {
    /// Caught up with the leader within the fetch timeout.
    pub fn is_in_step(&self) -> bool {
        self.lag_ms <= QUORUM_FETCH_TIMEOUT_MS
    }

    /// Has not fetched for so long that the leader does without it: after one and a half times the fetch timeout a leader counts
    /// who fetched, and resigns without a majority.
    pub fn is_silent(&self) -> bool {
        self.silent_ms > 2 * QUORUM_FETCH_TIMEOUT_MS
    }
}

impl Quorum {
    /// The voter of that node. At most one: Kafka refuses a second directory of a node.
    pub fn voter(&self, node: NodeId) -> Option<&Replica> {
        self.voters.iter().find(|voter| voter.node == node)
    }

    /// The node follows without a vote, with this directory.
    pub fn observer(&self, node: NodeId, directory: DirectoryId) -> Option<&Replica> {
        self.observers.iter().find(|o| o.node == node && o.directory == directory)
    }
}

/// How many of `voters` must agree.
pub(crate) fn majority(voters: usize) -> usize {
    voters / 2 + 1
}
