//! Disks: which are known, and what each node's agent may do with its own.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Problem, Progress};
use crate::model::{ClusterId, Desired, DirectoryId, Disk, Node, NodeId, Observed};

/// What a node's agent may do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permit {
    /// Nothing yet.
    Wait(Reservation),
    /// Format the empty disk, then report it and ask again.
    Format(Format),
    /// Start Kafka.
    Start,
}

/// How to format an empty disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// `--initial-controllers`, all of them.
    Initial {
        /// `--cluster-id`.
        cluster_id: ClusterId,
        /// The voters and their disks; the node's own is among them.
        controllers: BTreeMap<NodeId, DirectoryId>,
    },
    /// `--no-initial-controllers`: Kafka draws the id.
    Join {
        /// `--cluster-id`.
        cluster_id: ClusterId,
    },
}

/// Why an agent has to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reservation {
    /// The agent has not reported its disk.
    DiskUnknown,
    /// Not every first controller has reported an empty disk.
    OthersUnknown,
    /// The quorum has not formed.
    NotFormed,
    /// The disk is not to be used.
    Problem(Problem),
    /// The empty disk was the last one in sync of a partition. Started now, the node would lead it and the others
    /// would throw away what they have.
    LastReplica {
        /// As `kafka-topics.sh` names it.
        partition: String,
    },
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskUnknown => f.write_str("the agent has not reported its disk"),
            Self::OthersUnknown => f.write_str("not every first controller has an empty disk"),
            Self::NotFormed => f.write_str("the quorum has not formed"),
            Self::Problem(problem) => problem.fmt(f),
            Self::LastReplica { partition } => write!(
                f,
                "the node lost its disk and was the last in sync of {partition}: elect another replica \
                 (kafka-leader-election.sh --election-type unclean) before it starts"
            ),
        }
    }
}

/// Takes in what the agents report: a new disk's id replaces the old one, which is never used again.
pub(super) fn settle(observed: &Observed, progress: &mut Progress, problems: &mut Vec<Problem>) {
    for (id, node) in observed.nodes.iter().filter(|(_, node)| node.roles.controller) {
        let Disk::Formatted(directory) = node.disk else { continue };
        if let Some(problem) = unusable(*id, directory, progress) {
            problems.push(problem);
            continue;
        }
        let before = progress.disks.insert(*id, directory);
        progress.retired.extend(before.filter(|before| *before != directory));
    }
}

fn unusable(id: NodeId, directory: DirectoryId, progress: &Progress) -> Option<Problem> {
    if progress.retired.contains(&directory) {
        return Some(Problem::DirectoryReused(id, directory));
    }
    let of_another = |disks: &BTreeMap<NodeId, DirectoryId>| {
        disks.iter().any(|(other, known)| *other != id && *known == directory)
    };
    if of_another(&progress.disks) || of_another(&progress.initial) {
        return Some(Problem::DirectoryReused(id, directory));
    }
    let first = !progress.formed && progress.initial.get(&id) != Some(&directory);
    first.then_some(Problem::ForeignDisk(id, directory))
}

/// Draws the first voters' ids, once every one of them has an empty disk. Anything else means that there is, or was, a quorum.
pub(super) fn bootstrap(
    observed: &Observed,
    desired: &Desired,
    progress: &mut Progress,
    draw: &mut dyn FnMut() -> u128,
) {
    if progress.formed || !progress.initial.is_empty() {
        return;
    }
    let is_empty = |id| observed.nodes.get(&id).is_some_and(|node| node.disk == Disk::Empty);
    if !desired.controllers().all(is_empty) {
        return;
    }
    progress.cluster_id = Some(drawn(draw, ClusterId::from_random));
    for id in desired.controllers() {
        progress.initial.insert(id, drawn(draw, DirectoryId::from_random));
    }
}

/// One draw in sixty-four is refused; a source that only gives such draws is broken.
fn drawn<T>(draw: &mut dyn FnMut() -> u128, parse: fn(u128) -> Option<T>) -> T {
    (0..1_000).find_map(|_| parse(draw())).expect("a source of random bits")
}

/// What the node's agent may do, given what is stored.
pub(super) fn permit(id: NodeId, node: &Node, observed: &Observed, progress: &Progress) -> Permit {
    match node.disk {
        Disk::Unknown => Permit::Wait(Reservation::DiskUnknown),
        Disk::Empty => match format(id, node, observed, progress) {
            Ok(format) => Permit::Format(format),
            Err(reservation) => Permit::Wait(reservation),
        },
        Disk::Formatted(directory) if node.roles.controller => {
            if progress.disks.get(&id) == Some(&directory) {
                return Permit::Start;
            }
            let problem = unusable(id, directory, progress);
            let problem = problem.unwrap_or(Problem::ForeignDisk(id, directory));
            Permit::Wait(Reservation::Problem(problem))
        }
        Disk::Formatted(_) => Permit::Start,
    }
}

fn format(
    id: NodeId,
    node: &Node,
    observed: &Observed,
    progress: &Progress,
) -> Result<Format, Reservation> {
    let Some(cluster_id) = progress.cluster_id else { return Err(Reservation::OthersUnknown) };
    if !progress.formed {
        let controllers = progress.initial.clone();
        // Seen formatted, and empty now: it may have voted with the id.
        let lost = progress.disks.contains_key(&id);
        let first = node.roles.controller && controllers.contains_key(&id) && !lost;
        return first
            .then_some(Format::Initial { cluster_id, controllers })
            .ok_or(Reservation::NotFormed);
    }
    let last = observed.partitions().iter().find(|p| p.isr == [id] && p.replicas.len() > 1);
    match last {
        Some(partition) => Err(Reservation::LastReplica { partition: partition.name() }),
        None => Ok(Format::Join { cluster_id }),
    }
}
