//! Small clusters for tests.

use crate::model::{
    Desired, DirectoryId, Disk, Metadata, Node, NodeId, Observed, Partition, Pod, PodState, Quorum,
    Replica, Roles, Setup, Wanted,
};

pub(crate) fn ids(ids: &[u32]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId(*id)).collect()
}

pub(crate) fn directory(seed: u128) -> DirectoryId {
    DirectoryId::from_random(seed << 64 | seed).expect("small seeds make good ids")
}

pub(crate) fn node(id: u32, roles: Roles) -> Node {
    Node {
        roles,
        rack: Some(format!("rack-{}", id % 3)),
        pod: Pod { uid: format!("pod-{id}"), state: PodState::Ready, since_ms: 0 },
        running: Setup { revision: "1".into(), ..Setup::default() },
        disk: Disk::Formatted(directory(u128::from(id) + 1)),
        is_cut_off: false,
    }
}

/// A calm cluster of these nodes; node 0, or the first controller, leads the quorum.
pub(crate) fn cluster(nodes: &[(u32, Roles)]) -> Observed {
    let voter = |id: &u32| Replica {
        node: NodeId(*id),
        directory: directory(u128::from(*id) + 1),
        lag_ms: 0,
        silent_ms: 0,
    };
    let controllers = nodes.iter().filter(|(_, roles)| roles.controller).map(|(id, _)| id);
    let brokers = nodes.iter().filter(|(_, roles)| roles.broker);
    let voters: Vec<Replica> = controllers.map(voter).collect();
    let leader = voters.first().map(|voter| voter.node);
    Observed {
        nodes: nodes.iter().map(|(id, roles)| (NodeId(*id), node(*id, *roles))).collect(),
        metadata: Some(Metadata {
            quorum: Quorum { leader, voters, observers: Vec::new() },
            registered: brokers.map(|(id, _)| NodeId(*id)).collect(),
            ..Metadata::default()
        }),
    }
}

/// Combined nodes from 0 on.
pub(crate) fn brokers(count: u32) -> Observed {
    cluster(&(0..count).map(|id| (id, Roles::COMBINED)).collect::<Vec<_>>())
}

/// What runs is what should run.
pub(crate) fn as_is(observed: &Observed) -> Desired {
    let wanted = |node: &Node| Wanted { roles: node.roles, setup: node.running.clone() };
    let nodes = observed.nodes.iter().map(|(id, node)| (*id, wanted(node))).collect();
    Desired { nodes, ..Desired::default() }
}

pub(crate) fn partition(topic: &str, replicas: &[u32], isr: &[u32], min_isr: usize) -> Partition {
    Partition {
        topic: topic.to_owned(),
        leader: isr.first().map(|id| NodeId(*id)),
        replicas: ids(replicas),
        isr: ids(isr),
        min_isr,
        bytes: 1_000,
        ..Partition::default()
    }
}
