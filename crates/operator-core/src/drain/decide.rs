//! One decision about replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::batch::Room;
use super::load::Load;
use super::{Limits, spread, targets};
use crate::model::{Desired, NodeId, Observed, Partition};

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The cluster as it is.
    pub observed: &'a Observed,
    /// The cluster as it should be.
    pub desired: &'a Desired,
    /// How much may move together.
    pub limits: &'a Limits,
    /// Brokers with less than their share are given some.
    pub spread: bool,
}

/// What to do and what to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// To be done, in this order.
    pub actions: Vec<Action>,
    /// Replicas that each leaving broker still has.
    pub left: BTreeMap<NodeId, usize>,
    /// Leaving nodes without any replica: as far as partitions go they may be stopped.
    pub empty: BTreeSet<NodeId>,
    /// Why nothing is moved.
    pub refused: Option<Refusal>,
}

/// Something to do. Doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Set the replication throttle, on brokers and topics.
    Throttle {
        /// For each broker.
        bytes_per_s: u64,
    },
    /// AlterPartitionReassignments.
    Reassign {
        /// The topic.
        topic: String,
        /// The partition's number.
        index: u32,
        /// The replicas it is to have, preferred leader first.
        replicas: Vec<NodeId>,
    },
    /// Take the replication throttle away.
    Unthrottle,
}

/// The brokers that would stay cannot hold a topic's replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The topic.
    pub topic: String,
    /// How many replicas it has.
    pub replication_factor: usize,
    /// How many brokers would stay.
    pub brokers: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, replication_factor, brokers } = self;
        write!(
            f,
            "topic {topic} has {replication_factor} replicas and only {brokers} brokers would stay: keep more brokers or \
             lower the topic's replication factor first"
        )
    }
}

/// The next reassignments.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let Situation { observed, desired, .. } = *situation;
    if observed.led_quorum().is_none() {
        return Decision::default();
    }
    let brokers = observed.nodes.iter().filter(|(_, node)| node.roles.broker);
    let (staying, leaving): (BTreeSet<NodeId>, BTreeSet<NodeId>) =
        brokers.map(|(id, _)| *id).partition(|id| desired.nodes.contains_key(id));
    let hosted = |id| observed.partitions().iter().filter(|p| p.replicas.contains(&id)).count();
    let left: BTreeMap<NodeId, usize> = leaving.iter().map(|id| (*id, hosted(*id))).collect();
    let empty = observed.nodes.keys().filter(|id| !desired.nodes.contains_key(id));
    let mut decision = Decision {
        empty: empty.filter(|id| left.get(id).is_none_or(|left| *left == 0)).copied().collect(),
        refused: refusal(observed, &leaving, staying.len()),
        left,
        actions: Vec::new(),
    };
    let moves = match decision.refused {
        None => moves(situation, &staying, &leaving),
        Some(_) => Vec::new(),
    };
    throttle(situation, moves, &mut decision.actions);
    decision
}

fn refusal(observed: &Observed, leaving: &BTreeSet<NodeId>, brokers: usize) -> Option<Refusal> {
    let concerned =
        observed.partitions().iter().filter(|p| p.replicas.iter().any(|id| leaving.contains(id)));
    concerned.max_by_key(|p| p.replication_factor()).and_then(|p| {
        let replication_factor = p.replication_factor();
        let topic = p.topic.clone();
        (replication_factor > brokers).then_some(Refusal { topic, replication_factor, brokers })
    })
}

fn moves(
    situation: &Situation<'_>,
    staying: &BTreeSet<NodeId>,
    leaving: &BTreeSet<NodeId>,
) -> Vec<Action> {
    let Situation { observed, limits, .. } = *situation;
    // A broker that is down takes nothing now; it may later.
    let takers: BTreeSet<NodeId> =
        staying.iter().copied().filter(|id| observed.is_ready(*id)).collect();
    let (mut load, mut room) = (Load::of(observed), Room::beside(observed, limits));
    let is_left = |p: &&Partition| p.target().iter().any(|id| leaving.contains(id));
    // One that moves is left alone, unless it moves onto a broker that has to leave by now and may never take it.
    let still = |p: &&Partition| p.leader.is_some() && (!p.is_moving() || is_left(p));
    let mut still: Vec<&Partition> = observed.partitions().iter().filter(still).collect();
    // The largest first: they find most room, and small ones level what is left.
    still.sort_by_key(|p| std::cmp::Reverse(p.bytes));
    let mut actions = Vec::new();
    let mut go = |partition: &Partition, replicas: Vec<NodeId>, load: &mut Load| {
        let new = replicas.iter().filter(|id| !partition.replicas.contains(id)).count();
        let fits = room.take(partition.bytes.saturating_mul(new as u64));
        if fits {
            load.exchange(&partition.target(), &replicas, partition.bytes);
            let Partition { topic, index, .. } = partition;
            actions.push(Action::Reassign { topic: topic.clone(), index: *index, replicas });
        }
        fits
    };
    for partition in still.iter().copied().filter(is_left) {
        let replicas = targets::without(partition, leaving, &takers, observed, &load);
        if let Some(replicas) = replicas {
            go(partition, replicas, &mut load);
        }
    }
    still.retain(|p| !is_left(p));
    if !situation.spread {
        return actions;
    }
    while let Some((partition, replicas)) = spread::next(&still, &takers, observed, &load) {
        if !go(partition, replicas, &mut load) {
            break;
        }
        still.retain(|p| !std::ptr::eq(*p, partition));
    }
    actions
}

/// Set before anything moves, taken away when nothing does. One that somebody else set is left alone.
fn throttle(situation: &Situation<'_>, moves: Vec<Action>, actions: &mut Vec<Action>) {
    let Some(bytes_per_s) = situation.limits.throttle_bytes_per_s else {
        actions.extend(moves);
        return;
    };
    let set = situation.observed.metadata.as_ref().and_then(|m| m.throttle_bytes_per_s);
    let moving = situation.observed.partitions().iter().any(Partition::is_moving);
    if !moves.is_empty() && set.is_none() {
        actions.push(Action::Throttle { bytes_per_s });
    }
    if moves.is_empty() && !moving && set == Some(bytes_per_s) {
        actions.push(Action::Unthrottle);
    }
    actions.extend(moves);
}
