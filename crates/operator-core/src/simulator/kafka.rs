//! Partitions and their replicas.

use super::world::{Event, Process, World};
use crate::model::{NodeId, Partition};

impl World {
    pub(super) fn serves(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(super::world::SimNode::is_serving)
    }

    /// Each partition is led by the first replica in sync that serves. Only the active controller can appoint one.
    pub(super) fn lead_partitions(&mut self) {
        let led = self.leader.is_some();
        let mut partitions = std::mem::take(&mut self.partitions);
        for p in &mut partitions {
            let stands = p.leader.is_some_and(|id| p.isr.contains(&id) && self.serves(id));
            if !stands {
                let able = p.replicas.iter().find(|id| p.isr.contains(id) && self.serves(**id));
                p.leader = able.copied().filter(|_| led);
            }
        }
        self.partitions = partitions;
    }

    /// A broker's session is over. Without a controller nobody notices.
    pub(super) fn fence(&mut self, id: NodeId) {
        if self.serves(id) || !self.nodes.contains_key(&id) {
            return;
        }
        match self.leader {
            Some(_) => self.fence_now(id),
            None => self.after(1_000, Event::Fence(id)),
        }
    }

    pub(super) fn fence_now(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.fenced = true;
        }
        self.leave_isrs(id);
    }

    /// The last replica in sync stays: the others have less than it has.
    fn leave_isrs(&mut self, id: NodeId) {
        for p in self.partitions.iter_mut().filter(|p| p.isr.len() > 1) {
            p.isr.retain(|member| *member != id);
        }
    }

    /// A new process: whatever it was in sync with before no longer counts.
    pub(super) fn register(&mut self, id: NodeId, boot: u64) {
        let led = self.leader.is_some();
        let Some(node) = self.at_boot(id, boot) else { return };
        if node.process != Process::Up {
            return;
        }
        if node.cut {
            return;
        }
        if !led {
            return self.after(1_000, Event::Register(id, boot));
        }
        node.fenced = false;
        self.registered.insert(id);
        self.leave_isrs(id);
        let slow = self.random.chance(10);
        for index in 0..self.partitions.len() {
            self.follow(id, boot, index, slow);
        }
    }

    pub(super) fn follow(&mut self, id: NodeId, boot: u64, index: usize, slow: bool) {
        let p = &self.partitions[index];
        if p.replicas.contains(&id) && !p.isr.contains(&id) {
            let about = if slow { (5_000, 40_000) } else { (300, 6_000) };
            self.after_about(about, Event::CaughtUp(id, boot, index));
        }
    }

    pub(super) fn caught_up(&mut self, id: NodeId, boot: u64, index: usize) {
        let serves = self.serves(id);
        let led = self.leader.is_some();
        if self.at_boot(id, boot).is_none() {
            return;
        }
        let p = &mut self.partitions[index];
        if !p.replicas.contains(&id) || p.isr.contains(&id) {
            return;
        }
        if !serves || p.leader.is_none() || !led {
            return self.after(2_000, Event::CaughtUp(id, boot, index));
        }
        p.isr.push(id);
        if p.is_moving() && p.adding.iter().all(|id| p.isr.contains(id)) {
            p.replicas = p.target();
            p.isr.retain(|id| p.replicas.contains(id));
            p.adding.clear();
            p.removing.clear();
        }
    }

    /// A reassignment as the controller takes it (KIP-455).
    pub(super) fn reassign(&mut self, index: usize, target: &[NodeId]) {
        let p = &mut self.partitions[index];
        // One in flight is replaced.
        let mut before = p.replicas.clone();
        before.retain(|id| !p.adding.contains(id));
        // Kafka refuses to take the last replica in sync away.
        if !p.isr.iter().any(|id| target.contains(id) || before.contains(id)) {
            return;
        }
        p.adding = target.iter().copied().filter(|id| !before.contains(id)).collect();
        p.removing = before.iter().copied().filter(|id| !target.contains(id)).collect();
        p.replicas = target.iter().chain(&p.removing).copied().collect();
        p.isr.retain(|id| p.replicas.contains(id));
        let adding = p.adding.clone();
        if adding.iter().all(|id| p.isr.contains(id)) {
            p.replicas = target.to_vec();
            p.isr.retain(|id| target.contains(id));
            p.adding.clear();
            p.removing.clear();
        }
        for id in adding {
            let boot = self.nodes.get(&id).map_or(0, |node| node.boot);
            self.follow(id, boot, index, false);
        }
    }

    /// A follower cannot keep up for a while.
    pub(super) fn fall_behind(&mut self, id: NodeId) {
        let boot = self.nodes.get(&id).map_or(0, |node| node.boot);
        for index in 0..self.partitions.len() {
            let p = &mut self.partitions[index];
            if p.isr.len() > 1 && p.leader != Some(id) && p.isr.contains(&id) {
                p.isr.retain(|member| *member != id);
                self.follow(id, boot, index, true);
            }
        }
    }

    /// Topics, once there are brokers to put them on.
    pub(super) fn make_topics(&mut self) {
        let brokers: Vec<NodeId> =
            self.registered.iter().copied().filter(|id| self.serves(*id)).collect();
        let wanted = self.spec.desired.nodes.values().filter(|w| w.roles.broker).count();
        if self.leader.is_none() || brokers.len() < wanted {
            return self.after(1_000, Event::Topics);
        }
        for topic in 0..self.random.range(2, 6) {
            let factor = self.random.range(1, 4).min(brokers.len() as u64) as usize;
            // At times as large as the replication factor: such a topic is not waited for.
            let min_isr = self.random.range(1, factor as u64 + 1) as usize;
            for index in 0..self.random.range(1, 4) {
                let first = self.random.range(0, brokers.len() as u64) as usize;
                let replicas: Vec<NodeId> =
                    (0..factor).map(|i| brokers[(first + i) % brokers.len()]).collect();
                let bytes = self.random.range(1, 1_000_000);
                self.partitions.push(Partition {
                    topic: format!("t{topic}"),
                    index: index as u32,
                    isr: replicas.clone(),
                    replicas,
                    min_isr,
                    bytes,
                    ..Partition::default()
                });
            }
        }
    }
}
