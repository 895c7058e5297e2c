//! What each broker carries, once everything that moves has arrived.

use std::collections::BTreeMap;

use crate::model::{NodeId, Observed};

/// One broker's share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share {
    pub(super) bytes: u64,
    pub(super) replicas: usize,
    /// Partitions it leads when every leader is the preferred one.
    pub(super) leaders: usize,
}

#[derive(Debug)]
pub(super) struct Load(BTreeMap<NodeId, Share>);

impl Load {
    pub(super) fn of(observed: &Observed) -> Self {
        let mut load = Self(BTreeMap::new());
        for partition in observed.partitions() {
            load.add(&partition.target(), partition.bytes);
        }
        load
    }

    pub(super) fn share(&self, id: NodeId) -> Share {
        self.0.get(&id).copied().unwrap_or_default()
    }

    /// A partition goes from some replicas to others.
    pub(super) fn exchange(&mut self, from: &[NodeId], to: &[NodeId], bytes: u64) {
        for (index, id) in from.iter().enumerate() {
            let share = self.0.entry(*id).or_default();
            share.bytes = share.bytes.saturating_sub(bytes);
            share.replicas = share.replicas.saturating_sub(1);
            share.leaders = share.leaders.saturating_sub(usize::from(index == 0));
        }
        self.add(to, bytes);
    }

    fn add(&mut self, replicas: &[NodeId], bytes: u64) {
        for (index, id) in replicas.iter().enumerate() {
            let share = self.0.entry(*id).or_default();
            share.bytes = share.bytes.saturating_add(bytes);
            share.replicas += 1;
            share.leaders += usize::from(index == 0);
        }
    }
}
