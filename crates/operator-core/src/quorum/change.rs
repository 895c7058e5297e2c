//! The next change of the voters. One at a time, as the leader itself insists.

use std::collections::BTreeSet;

use super::{Action, Progress, Situation};
use crate::model::{NodeId, Quorum, Replica, majority};
use crate::roller::availability::votes;

/// What is left to change, and the next change if it is safe now.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) next: Option<Action>,
    pub(super) pending: bool,
}

pub(super) fn next(
    situation: &Situation<'_>,
    quorum: &Quorum,
    leader: NodeId,
    progress: &Progress,
) -> Change {
    let wanted: BTreeSet<NodeId> = situation.desired.controllers().collect();
    let voters = &quorum.voters;
    let in_step = |voter: &Replica| is_in_step(situation, voter);
    let replaced = voters.iter().find(|voter| is_replaced(voter, progress));
    if let Some(lost) = replaced {
        return Change { next: remove(voters, lost, &in_step), pending: true };
    }
    let joining: Vec<NodeId> =
        wanted.iter().copied().filter(|id| quorum.voter(*id).is_none()).collect();
    if !joining.is_empty() {
        return Change { next: add(situation, quorum, &joining, progress), pending: true };
    }
    let mut leaving: Vec<&Replica> = voters.iter().filter(|v| !wanted.contains(&v.node)).collect();
    // The leader last: each change of leaders interrupts the metadata for a moment. Those that help nobody first.
    leaving.sort_by_key(|voter| (voter.node == leader, in_step(voter), voter.node));
    match leaving.first() {
        Some(voter) => Change { next: remove(voters, voter, &in_step), pending: true },
        None => Change::default(),
    }
}

/// The node has another disk now.
fn is_replaced(voter: &Replica, progress: &Progress) -> bool {
    progress.disks.get(&voter.node).is_some_and(|disk| *disk != voter.directory)
}

fn is_in_step(situation: &Situation<'_>, replica: &Replica) -> bool {
    let node = situation.observed.nodes.get(&replica.node);
    replica.is_in_step()
        && !situation.down.contains(&replica.node)
        && node.is_some_and(|node| votes(node, replica.lag_ms, situation.now_ms))
}

/// The voters that stay must be able to agree on it, and on everything after.
fn remove(
    voters: &[Replica],
    voter: &Replica,
    in_step: &impl Fn(&Replica) -> bool,
) -> Option<Action> {
    let staying = voters.iter().filter(|other| other.node != voter.node);
    let able = staying.clone().filter(|other| in_step(other)).count();
    let enough = able >= majority(staying.count()) && voters.len() > 1;
    enough.then_some(Action::RemoveVoter { node: voter.node, directory: voter.directory })
}

/// An odd quorum becomes even, which survives no failure more and has one more member to fail, only when every node that is to
/// join has caught up: then the next one follows at once.
fn add(
    situation: &Situation<'_>,
    quorum: &Quorum,
    joining: &[NodeId],
    progress: &Progress,
) -> Option<Action> {
    let caught_up = |id: &NodeId| {
        let directory = *progress.disks.get(id)?;
        let observer = quorum.observer(*id, directory)?;
        is_in_step(situation, observer).then_some(Action::AddVoter { node: *id, directory })
    };
    let ready: Vec<Action> = joining.iter().filter_map(caught_up).collect();
    if quorum.voters.len() % 2 == 1 && ready.len() < joining.len() {
        return None;
    }
    let able = quorum.voters.iter().filter(|voter| is_in_step(situation, voter)).count() + 1;
    let enough = able >= majority(quorum.voters.len() + 1);
    ready.into_iter().next().filter(|_| enough)
}
