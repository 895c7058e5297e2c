//! The metadata quorum.

use super::world::{Event, SimNode, World};
use crate::model::{DirectoryId, NodeId, QUORUM_FETCH_TIMEOUT_MS, majority};

impl World {
    /// Its controller runs on the disk that votes, and has a log.
    pub(super) fn is_able(&self, id: NodeId, directory: DirectoryId) -> bool {
        self.nodes.get(&id).is_some_and(|node| {
            node.controller_runs()
                && node.has_disk(directory)
                && node.disk.is_some_and(|disk| !disk.fresh)
        })
    }

    pub(super) fn able(&self) -> usize {
        self.voters.iter().filter(|(id, directory)| self.is_able(**id, **directory)).count()
    }

    /// Able, and within the fetch timeout of the leader.
    pub(super) fn is_voter_in_step(&self, id: NodeId, directory: DirectoryId) -> bool {
        self.is_able(id, directory) && self.lag_ms(&self.nodes[&id]) <= QUORUM_FETCH_TIMEOUT_MS
    }

    pub(super) fn lag_ms(&self, node: &SimNode) -> u64 {
        match node.caught_up {
            true => 300,
            false => self.now_ms - node.last_caught_up_ms,
        }
    }

    /// A leader that lost its majority steps down; who can elect one does so.
    pub(super) fn lead(&mut self) {
        let able = self.able() >= majority(self.voters.len()) && !self.voters.is_empty();
        let stands = self
            .leader
            .is_some_and(|id| self.voters.get(&id).is_some_and(|dir| self.is_able(id, *dir)));
        if !able || !stands {
            self.leader = None;
        }
        if self.leader.is_none() && able && !self.electing {
            self.electing = true;
            self.after_about((200, 2_000), Event::Elect);
        }
    }

    pub(super) fn elect(&mut self) {
        self.electing = false;
        if self.leader.is_some() || self.able() < majority(self.voters.len()) {
            return;
        }
        let able: Vec<NodeId> =
            self.voters.iter().filter(|(i, d)| self.is_able(**i, **d)).map(|(i, _)| *i).collect();
        self.leader = self.random.pick(&able);
        self.truth.ever_formed |= self.leader.is_some();
        if let Some(node) = self.leader.and_then(|id| self.nodes.get_mut(&id)) {
            node.caught_up = true;
        }
        let leader = self.leader;
        self.tell(|| format!("leader {leader:?}"));
    }

    /// It has what the leader has; without a leader an old voter has what there is.
    pub(super) fn raft_caught_up(&mut self, id: NodeId, boot: u64) {
        let led = self.leader.is_some();
        let now_ms = self.now_ms;
        let Some(node) = self.at_boot(id, boot) else { return };
        if !node.controller_runs() {
            return;
        }
        let Some(disk) = &mut node.disk else { return };
        if disk.fresh && !led {
            return self.after(1_000, Event::RaftCaughtUp(id, boot));
        }
        disk.fresh = false;
        node.caught_up = true;
        node.last_caught_up_ms = now_ms;
    }

    pub(super) fn add_voter(&mut self, id: NodeId, directory: DirectoryId) {
        if self.leader.is_some() && !self.voters.contains_key(&id) {
            self.voters.insert(id, directory);
        }
    }

    pub(super) fn remove_voter(&mut self, id: NodeId, directory: DirectoryId) {
        if self.leader.is_some() && self.voters.get(&id) == Some(&directory) {
            self.voters.remove(&id);
        }
    }
}
