//! Onto brokers that have less than their share: a new broker is empty until somebody gives it something.

use std::collections::BTreeSet;

use super::load::Load;
use super::targets::shared;
use crate::model::{NodeId, Observed, Partition};

/// The next partition to move and its new replicas; `None` once no broker is below the even share, or nothing can be moved
/// without putting two replicas into one rack. Each move brings one broker nearer to the share and takes none
/// below it, so this comes to an end.
pub(super) fn next<'a>(
    partitions: &[&'a Partition],
    takers: &BTreeSet<NodeId>,
    observed: &Observed,
    load: &Load,
) -> Option<(&'a Partition, Vec<NodeId>)> {
    let replicas: usize = takers.iter().map(|id| load.share(*id).replicas).sum();
    let even = replicas / takers.len().max(1);
    let mut poor: Vec<NodeId> =
        takers.iter().copied().filter(|id| load.share(*id).replicas < even).collect();
    poor.sort_by_key(|id| (load.share(*id), *id));
    let mut rich: Vec<NodeId> =
        takers.iter().copied().filter(|id| load.share(*id).replicas > even).collect();
    rich.sort_by_key(|id| (std::cmp::Reverse(load.share(*id)), *id));
    let pairs = poor.iter().flat_map(|to| rich.iter().map(move |from| (*from, *to)));
    pairs.into_iter().find_map(|(from, to)| {
        let movable = partitions.iter().filter(|p| fits(p, from, to, observed));
        let largest = movable.max_by_key(|p| p.bytes)?;
        Some((*largest, exchanged(largest, from, to, load)))
    })
}

fn fits(partition: &Partition, from: NodeId, to: NodeId, observed: &Observed) -> bool {
    let others: Vec<NodeId> = partition.replicas.iter().copied().filter(|id| *id != from).collect();
    partition.replicas.contains(&from)
        && !partition.replicas.contains(&to)
        && shared(observed, to, &others) <= shared(observed, from, &others)
}

/// `to` in the place of `from`, and in the lead if it leads less than the present one.
fn exchanged(partition: &Partition, from: NodeId, to: NodeId, load: &Load) -> Vec<NodeId> {
    let exchange = |id: &NodeId| if *id == from { to } else { *id };
    let mut replicas: Vec<NodeId> = partition.replicas.iter().map(exchange).collect();
    let place = replicas.iter().position(|id| *id == to).unwrap_or_default();
    if load.share(to).leaders < load.share(replicas[0]).leaders {
        replicas.swap(0, place);
    }
    replicas
}
