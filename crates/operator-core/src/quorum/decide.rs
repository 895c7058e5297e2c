//! One decision about the quorum.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Permit, Problem, Progress, change, disks};
use crate::model::{Desired, DirectoryId, Disk, NodeId, Observed, majority};

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The cluster as it is.
    pub observed: &'a Observed,
    /// The cluster as it should be.
    pub desired: &'a Desired,
    /// Nodes that are down by our own hand, whatever they still look like.
    pub down: &'a BTreeSet<NodeId>,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// What to store, what to permit, what to do, what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// To be stored before anything is permitted or done.
    pub progress: Progress,
    /// What each node's agent may do.
    pub permits: BTreeMap<NodeId, Permit>,
    /// The next change of the voters.
    pub action: Option<Action>,
    /// The voters are being changed, or are between two changes: these nodes are to stay up.
    pub held: BTreeSet<NodeId>,
    /// Nodes that do not vote and are not meant to: as far as the quorum goes they may be stopped.
    pub released: BTreeSet<NodeId>,
    /// What only a person can put right.
    pub problems: Vec<Problem>,
}

/// A change of the voters. Doing it twice, or for a voter that is (not) there already, does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// AddRaftVoter.
    AddVoter {
        /// The node.
        node: NodeId,
        /// Its disk.
        directory: DirectoryId,
    },
    /// RemoveRaftVoter.
    RemoveVoter {
        /// The node.
        node: NodeId,
        /// The disk that voted.
        directory: DirectoryId,
    },
}

/// The next step of the quorum. `draw` gives random bits.
pub fn decide(
    situation: &Situation<'_>,
    progress: &Progress,
    draw: &mut dyn FnMut() -> u128,
) -> Decision {
    let Situation { observed, desired, .. } = *situation;
    let mut progress = progress.clone();
    let mut problems = Vec::new();
    adopt(observed, &mut progress);
    let controllers = desired.controllers().count();
    let refused = match controllers {
        0 => Some(Problem::NoControllers),
        even if even % 2 == 0 => Some(Problem::EvenControllers(even)),
        _ => None,
    };
    if refused.is_none() {
        disks::bootstrap(observed, desired, &mut progress, draw);
    }
    disks::settle(observed, &mut progress, &mut problems);
    let mut change = change::Change::default();
    if let (Some((quorum, leader)), None) = (observed.led_quorum(), &refused) {
        change = change::next(situation, quorum, leader, &progress);
    }
    problems.extend(refused);
    problems.extend(lost(observed, &progress));
    let held = held(observed, &change);
    Decision {
        permits: observed
            .nodes
            .iter()
            .map(|(id, node)| (*id, disks::permit(*id, node, observed, &progress)))
            .collect(),
        action: change.next,
        held,
        released: released(situation),
        problems,
        progress,
    }
}

/// A leader, or a disk that we did not have formatted: there is a quorum, known to us or not.
fn adopt(observed: &Observed, progress: &mut Progress) {
    let found = progress.initial.is_empty()
        && observed.nodes.values().any(|node| matches!(node.disk, Disk::Formatted(_)));
    let led = observed.led_quorum().is_some_and(|(quorum, _)| !quorum.voters.is_empty());
    progress.formed |= found || led;
    let told = observed.metadata.as_ref().and_then(|metadata| metadata.cluster_id);
    progress.cluster_id = progress.cluster_id.or(told);
}

/// More known disks are empty than a majority of the controllers can do without.
fn lost(observed: &Observed, progress: &Progress) -> Option<Problem> {
    if observed.led_quorum().is_some() {
        return None;
    }
    let is_empty = |id: &NodeId| observed.nodes.get(id).is_some_and(|n| n.disk == Disk::Empty);
    let empty: Vec<NodeId> = progress.disks.keys().copied().filter(|id| is_empty(id)).collect();
    let left = progress.disks.len() - empty.len();
    (!empty.is_empty() && left < majority(progress.disks.len()))
        .then_some(Problem::QuorumLost { empty })
}

/// While the number of voters is even, and while one of them changes, no other is to be missed.
fn held(observed: &Observed, change: &change::Change) -> BTreeSet<NodeId> {
    let voters = observed.led_quorum().map_or(&[][..], |(quorum, _)| &quorum.voters);
    if change.next.is_none() && !(change.pending && voters.len().is_multiple_of(2)) {
        return BTreeSet::new();
    }
    let changed = change.next.iter().map(|action| match action {
        Action::AddVoter { node, .. } | Action::RemoveVoter { node, .. } => *node,
    });
    voters.iter().map(|voter| voter.node).chain(changed).collect()
}

fn released(situation: &Situation<'_>) -> BTreeSet<NodeId> {
    let Some((quorum, _)) = situation.observed.led_quorum() else { return BTreeSet::new() };
    let wanted = |id: &NodeId| situation.desired.nodes.contains_key(id);
    let nodes = situation.observed.nodes.keys();
    nodes.filter(|id| !wanted(id) && quorum.voter(**id).is_none()).copied().collect()
}
