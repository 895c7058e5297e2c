//! What the operator sees.

use super::world::{SimNode, World};
use crate::model::{DirectoryId, Disk, Metadata, Node, NodeId, Observed, Pod, Quorum, Replica};

impl World {
    pub(super) fn observe(&self) -> Observed {
        let nodes = self.nodes.iter().map(|(id, node)| (*id, self.observe_node(*id, node)));
        let answers = self.nodes.values().any(|n| n.is_serving() || n.controller_runs());
        Observed { nodes: nodes.collect(), metadata: answers.then(|| self.metadata()) }
    }

    fn observe_node(&self, id: NodeId, node: &SimNode) -> Node {
        Node {
            roles: node.roles,
            rack: node.rack.clone(),
            pod: Pod {
                uid: uid(id, node.pod),
                state: node.shown.0.clone(),
                since_ms: node.shown.1,
            },
            running: node.running.clone(),
            disk: match node.disk {
                _ if !node.agent_speaks() => Disk::Unknown,
                None => Disk::Empty,
                Some(disk) => Disk::Formatted(disk.directory),
            },
            is_cut_off: false,
        }
    }

    fn metadata(&self) -> Metadata {
        let voters = self.voters.iter().map(|(id, directory)| Replica {
            node: *id,
            directory: *directory,
            // The disk is gone, or the node: nobody fetches as this voter.
            lag_ms: self.fetching(*id, *directory).map_or(u64::MAX, |node| self.lag_ms(node)),
            silent_ms: self.fetching(*id, *directory).map_or(u64::MAX, |node| self.silent_ms(node)),
        });
        let observers = self.nodes.iter().filter_map(|(id, node)| {
            let directory = node.disk?.directory;
            let votes = self.voters.get(id) == Some(&directory);
            let lag_ms = self.lag_ms(node);
            let silent_ms = self.silent_ms(node);
            let follows = node.controller_runs() && !votes;
            follows.then_some(Replica { node: *id, directory, lag_ms, silent_ms })
        });
        Metadata {
            cluster_id: None,
            partitions: self.partitions.clone(),
            quorum: Quorum {
                leader: self.leader,
                voters: voters.collect(),
                observers: observers.collect(),
            },
            registered: self.registered.iter().copied().collect(),
            throttle_bytes_per_s: self.throttle,
        }
    }

    fn silent_ms(&self, node: &SimNode) -> u64 {
        if node.controller_runs() { 0 } else { self.now_ms - node.last_fetch_ms }
    }

    fn fetching(&self, id: NodeId, directory: DirectoryId) -> Option<&SimNode> {
        self.nodes.get(&id).filter(|node| node.has_disk(directory))
    }

    /// Ready, in every ISR and in step with the quorum.
    pub(super) fn is_back(&self, id: NodeId) -> bool {
        let Some(node) = self.nodes.get(&id) else { return false };
        let in_sync = self
            .partitions
            .iter()
            .all(|p| !p.replicas.contains(&id) || p.adding.contains(&id) || p.isr.contains(&id));
        let voting = self.voters.get(&id).is_none_or(|dir| self.is_voter_in_step(id, *dir));
        self.leader.is_some()
            && node.state(true) == crate::model::PodState::Ready
            && in_sync
            && voting
    }
}

pub(super) fn uid(id: NodeId, pod: u64) -> String {
    format!("{id}/{pod}")
}
