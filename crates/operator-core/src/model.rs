//! What the decisions look at: a Kafka cluster as it is, and as it should be.
//!
//! Plain data. One snapshot ([`Observed`]) is read from Kubernetes and Kafka at once, [`Desired`] comes from the custom
//! resources; the decisions read nothing else, and the clock is an argument.

mod ids;
mod metadata;
mod node;
mod setup;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use ids::{ClusterId, DirectoryId, InvalidId, NodeId};
pub(crate) use metadata::majority;
pub use metadata::{Metadata, Partition, QUORUM_FETCH_TIMEOUT_MS, Quorum, Replica};
pub use node::{Disk, Node, Pod, PodState, Roles};
pub use setup::{Fingerprint, Setup};

/// A cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Every node that has a pod or a disk, and every one that should have.
    pub nodes: BTreeMap<NodeId, Node>,
    /// What Kafka says; `None` while nobody answers.
    pub metadata: Option<Metadata>,
}

/// A cluster as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The nodes there should be. A node that is observed and not here is to leave.
    pub nodes: BTreeMap<NodeId, Wanted>,
    /// What those that leave should run until they have left: one that is down may have the only copy of something.
    pub leaving: BTreeMap<NodeId, Wanted>,
}

/// One node as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What it does.
    pub roles: Roles,
    /// What its pod should run.
    pub setup: Setup,
}

impl Observed {
    /// The quorum, while somebody leads it. Without a leader what Kafka says of anything may be old.
    pub fn led_quorum(&self) -> Option<(&Quorum, NodeId)> {
        let quorum = &self.metadata.as_ref()?.quorum;
        quorum.leader.map(|leader| (quorum, leader))
    }

    /// The partitions Kafka told of.
    pub fn partitions(&self) -> &[Partition] {
        self.metadata.as_ref().map_or(&[], |metadata| &metadata.partitions)
    }

    /// The pod is ready: for a broker that it is registered and not fenced.
    pub fn is_ready(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.pod.state == PodState::Ready)
    }

    /// Replicas of `node` that are not in sync, without those a reassignment is still copying.
    pub fn behind<'a>(&'a self, node: NodeId) -> impl Iterator<Item = &'a Partition> + 'a {
        self.partitions().iter().filter(move |p| {
            p.replicas.contains(&node) && !p.adding.contains(&node) && !p.isr.contains(&node)
        })
    }

    /// Ready, in every ISR it belongs to, and in step with the quorum if it votes.
    pub fn is_in_step(&self, node: NodeId) -> bool {
        let Some((quorum, _)) = self.led_quorum() else { return false };
        self.is_ready(node)
            && self.behind(node).next().is_none()
            && quorum.voter(node).is_none_or(Replica::is_in_step)
    }

    /// Controllers that are to vote and do not yet, with the disk that they have. None while nobody leads the quorum.
    pub fn joining(&self, desired: &Desired) -> Vec<NodeId> {
        let Some((quorum, _)) = self.led_quorum() else { return Vec::new() };
        let votes = |id: &NodeId| {
            let disk = self.nodes.get(id).map(|node| &node.disk);
            quorum.voter(*id).is_some_and(|voter| match disk {
                Some(Disk::Formatted(directory)) => voter.directory == *directory,
                _ => true,
            })
        };
        desired.controllers().filter(|id| !votes(id)).collect()
    }
}

impl Desired {
    /// Names this state: the same for the same content, also after a restart of the operator.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.nodes)
    }

    /// What a node should run, whether it stays or leaves.
    pub fn wanted(&self, id: NodeId) -> Option<&Wanted> {
        self.nodes.get(&id).or_else(|| self.leaving.get(&id))
    }

    /// The nodes that should vote.
    pub fn controllers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.iter().filter(|(_, wanted)| wanted.roles.controller).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{as_is, brokers, directory, ids};

    #[test]
    fn controllers_join_until_they_vote_with_the_disk_they_have() {
        let mut observed = brokers(3);
        let desired = as_is(&brokers(5));
        assert_eq!(observed.joining(&desired), ids(&[3, 4]));
        assert!(observed.joining(&as_is(&observed)).is_empty());

        observed.nodes.get_mut(&NodeId(1)).unwrap().disk = Disk::Formatted(directory(77));
        assert_eq!(observed.joining(&as_is(&observed)), ids(&[1]));

        observed.metadata.as_mut().unwrap().quorum.leader = None;
        assert!(observed.joining(&desired).is_empty());
    }
}
