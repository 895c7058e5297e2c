//! Where a replica goes.

use std::collections::BTreeSet;

use super::load::Load;
use crate::model::{NodeId, Observed, Partition};

/// The partition's replicas without `leaving`: each in another rack than its fellows if there is one, else where the least lies.
/// `None` if there are too few `takers`.
pub(super) fn without(
    partition: &Partition,
    leaving: &BTreeSet<NodeId>,
    takers: &BTreeSet<NodeId>,
    observed: &Observed,
    load: &Load,
) -> Option<Vec<NodeId>> {
    let mut replicas = partition.target();
    let led_by_leaving = replicas.first().is_some_and(|first| leaving.contains(first));
    for index in 0..replicas.len() {
        if !leaving.contains(&replicas[index]) {
            continue;
        }
        let others: Vec<NodeId> = replicas
            .iter()
            .copied()
            .enumerate()
            .filter(|(i, id)| *i != index && !leaving.contains(id))
            .map(|(_, id)| id)
            .collect();
        let free = takers.iter().filter(|id| !replicas.contains(id));
        let best = free.min_by_key(|id| {
            // Who has a replica that was about to go need not be sent one.
            let copied = !partition.removing.contains(id);
            (shared(observed, **id, &others), copied, load.share(**id), **id)
        });
        replicas[index] = *best?;
    }
    if led_by_leaving {
        // The preferred leader goes anyway: let it be the one that leads the least.
        let lead = (0..replicas.len()).min_by_key(|i| load.share(replicas[*i]).leaders)?;
        replicas.swap(0, lead);
    }
    Some(replicas)
}

/// How many of `others` lie in the rack of `id`. Nodes without a rack share none.
pub(super) fn shared(observed: &Observed, id: NodeId, others: &[NodeId]) -> usize {
    let rack = |id: &NodeId| observed.nodes.get(id).and_then(|node| node.rack.as_deref());
    match rack(&id) {
        Some(own) => others.iter().filter(|other| rack(other) == Some(own)).count(),
        None => 0,
    }
}
