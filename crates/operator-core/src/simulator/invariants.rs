//! What must hold whenever the operator does something. Judged by what is true in the world, in the simplest words.

use super::world::{Process, World};
use crate::drain;
use crate::model::{DirectoryId, NodeId, PodState, QUORUM_FETCH_TIMEOUT_MS, majority};
use crate::quorum::{Action as Voters, Format, Permit};
use crate::roller::{Action as Roll, Parallelism};
use crate::step::{Action, Progress};

impl World {
    pub(super) fn check(&mut self, action: &Action, progress: &Progress) {
        let found = match action {
            Action::Permit(id, permit) => self.check_permit(*id, permit, progress),
            Action::Quorum(Voters::AddVoter { node, directory }) => {
                self.check_add(*node, *directory)
            }
            Action::Quorum(Voters::RemoveVoter { node, directory }) => {
                self.check_remove(*node, *directory, progress)
            }
            Action::Drain(drain::Action::Reassign { topic, index, replicas }) => {
                self.check_reassign(topic, *index, replicas)
            }
            Action::Stop(id) => self.check_stop(*id),
            Action::Roller(Roll::Restart { node, pod, .. }) => self.check_restart(*node, pod),
            _ => Vec::new(),
        };
        for what in found {
            self.violated(&what);
        }
    }

    fn check_restart(&self, id: NodeId, pod: &str) -> Vec<String> {
        let node = &self.nodes[&id];
        if super::observe::uid(id, node.pod) != pod {
            return Vec::new();
        }
        let mut found = Vec::new();
        if matches!(node.process, Process::Recovering(_)) {
            found.push(format!("log recovery of {id} killed"));
        }
        let ready = node.shown.0 == PodState::Ready;
        if self.leader.is_none() && ready {
            found.push(format!("{id} restarted although nobody leads"));
        }
        // What does not serve is not taken from anybody.
        if self.serves(id) {
            found.extend(self.below_min_isr(id));
        }
        found.extend(self.quorum_lost_without(id));
        if ready {
            found.extend(self.too_many_down(id));
            found.extend(self.out_of_order(id).filter(|_| !self.truth.decided.contains(&id)));
        }
        let desired = &self.spec.desired.nodes;
        let failed = self.nodes.iter().find(|(other, node)| {
            matches!(node.process, Process::Stuck(_))
                && desired.get(other).is_some_and(|wanted| wanted.setup == node.running)
        });
        if let Some((other, _)) = failed {
            found
                .push(format!("{id} restarted although {other} did not come back with this setup"));
        }
        found
    }

    fn below_min_isr(&self, id: NodeId) -> Vec<String> {
        let gone = |other: &NodeId| *other == id || self.truth.ours.contains(other);
        let hosted = self.partitions.iter().filter(|p| {
            p.isr.contains(&id) && p.leader.is_some() && p.replication_factor() > p.min_isr
        });
        hosted
            .filter(|p| {
                let left = p.isr.iter().filter(|other| !gone(other) && self.serves(**other));
                left.count() < p.min_isr
            })
            .map(|p| format!("{} below min ISR by restart of {id}", p.name()))
            .collect()
    }

    fn quorum_lost_without(&self, id: NodeId) -> Option<String> {
        let directory = self.voters.get(&id)?;
        if self.leader.is_none() || self.voters.len() < 3 || !self.is_able(id, *directory) {
            return None;
        }
        let others = self.voters.iter().filter(|(other, directory)| {
            **other != id
                && !self.truth.ours.contains(other)
                && (self.is_voter_in_step(**other, **directory) || self.seems_in_step(**other))
        });
        let lost = others.count() < majority(self.voters.len());
        lost.then(|| format!("quorum lost by restart of {id}"))
    }

    /// Was just cut off while its broker reads its logs: neither its pod nor its lag can tell yet.
    fn seems_in_step(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(|node| {
            matches!(node.process, Process::Recovering(_))
                && self.lag_ms(node) <= QUORUM_FETCH_TIMEOUT_MS
        })
    }

    fn too_many_down(&self, id: NodeId) -> Option<String> {
        let mut down: Vec<NodeId> = self.truth.ours.iter().copied().collect();
        down.retain(|other| *other != id);
        let nodes_max = match self.spec.policy.parallelism {
            Parallelism::OneAtATime => 1,
            Parallelism::Rack { nodes_max } => nodes_max,
        };
        let kin = |other: &NodeId| {
            self.nodes.get(other).is_some_and(|other| {
                let own = &self.nodes[&id];
                let brokers = !other.roles.controller && !own.roles.controller;
                brokers && other.rack == own.rack && own.rack.is_some()
            })
        };
        let allowed = down.is_empty() || (down.len() < nodes_max && down.iter().all(kin));
        (!allowed).then(|| format!("{id} restarted while {down:?} are down by our hand"))
    }

    fn out_of_order(&self, id: NodeId) -> Option<String> {
        let node = &self.nodes[&id];
        let mut pending = self
            .nodes
            .iter()
            .filter(|(other, node)| **other != id && node.roles.controller && self.is_due(**other));
        let controller = pending.next()?.0;
        if node.roles.controller {
            let active = self.leader == Some(id);
            return active.then(|| format!("active controller {id} restarted before {controller}"));
        }
        Some(format!("broker {id} restarted before controller {controller}"))
    }

    /// It surely needs a restart.
    fn is_due(&self, id: NodeId) -> bool {
        let Some(wanted) = self.spec.desired.nodes.get(&id) else { return false };
        let node = &self.nodes[&id];
        let up = !matches!(node.process, Process::Missing | Process::Terminating);
        let (is, should) = (&node.running, &wanted.setup);
        up && (&is.revision, &is.storage, &is.resources, &is.restart)
            != (&should.revision, &should.storage, &should.resources, &should.restart)
    }

    fn check_permit(&self, id: NodeId, permit: &Permit, progress: &Progress) -> Vec<String> {
        let Some(node) = self.nodes.get(&id) else { return Vec::new() };
        if node.process != Process::Agent {
            return Vec::new();
        }
        let mut found = Vec::new();
        match (permit, node.disk) {
            (Permit::Format(Format::Initial { controllers, .. }), None) => {
                // Late for the first formation, which nobody saw happen, is no second one.
                if self.truth.ever_formed && self.voters != *controllers {
                    found.push(format!("{id} bootstraps again"));
                }
                if self.truth.directories.contains(&controllers[&id]) {
                    found.push(format!("{id} gets an id that a disk had before"));
                }
                if progress.quorum.initial != *controllers {
                    found.push(format!("{id} formatted before the ids are stored"));
                }
            }
            (Permit::Start, Some(disk))
                if node.roles.controller
                    && progress.quorum.disks.get(&id) != Some(&disk.directory) =>
            {
                found.push(format!("{id} starts with a disk that is not stored"));
            }
            _ => {}
        }
        found
    }

    fn check_add(&self, id: NodeId, directory: DirectoryId) -> Vec<String> {
        let mut found = Vec::new();
        if !self.is_voter_in_step(id, directory) {
            found.push(format!("voter {id} added before it caught up"));
        }
        if self.able() + 1 < majority(self.voters.len() + 1) {
            found.push(format!("quorum lost by adding {id}"));
        }
        found
    }

    fn check_remove(&self, id: NodeId, directory: DirectoryId, progress: &Progress) -> Vec<String> {
        let mut found = Vec::new();
        if self.voters.get(&id) != Some(&directory) {
            return found;
        }
        let others = self.voters.iter().filter(|(other, _)| **other != id);
        let able = others.clone().filter(|(id, dir)| self.is_able(**id, **dir)).count();
        let others = others.count();
        if able < majority(others) || others == 0 {
            found.push(format!("quorum lost by removing {id}"));
        }
        let wanted = self.spec.desired.controllers().any(|wanted| wanted == id);
        let replaced = progress.quorum.disks.get(&id) != Some(&directory);
        if wanted && !replaced {
            found.push(format!("voter {id} removed without reason"));
        }
        found
    }

    fn check_stop(&self, id: NodeId) -> Vec<String> {
        let mut found = Vec::new();
        if self.spec.desired.nodes.contains_key(&id) {
            found.push(format!("{id} stopped although wanted"));
        }
        if self.partitions.iter().any(|p| p.replicas.contains(&id)) {
            found.push(format!("{id} stopped with replicas"));
        }
        if self.voters.contains_key(&id) {
            found.push(format!("{id} stopped while it votes"));
        }
        found
    }

    fn check_reassign(&self, topic: &str, index: u32, replicas: &[NodeId]) -> Vec<String> {
        let mut found = Vec::new();
        let Some(p) = self.partitions.iter().find(|p| p.topic == topic && p.index == index) else {
            return vec![format!("unknown partition {topic}-{index} moved")];
        };
        let wanted = |id: &&NodeId| {
            self.spec.desired.nodes.get(id).is_some_and(|wanted| wanted.roles.broker)
        };
        let target = p.target();
        if p.is_moving() && target.iter().filter(wanted).count() == target.len() {
            found.push(format!("{} moved while it moves", p.name()));
        }
        let mut distinct = replicas.to_vec();
        distinct.sort();
        distinct.dedup();
        if distinct.len() != p.replication_factor() {
            found.push(format!("{} gets another replication factor: {replicas:?}", p.name()));
        }
        if distinct.iter().filter(wanted).count() != distinct.len() {
            found.push(format!("{} moved onto a leaving node: {replicas:?}", p.name()));
        }
        if self.throttle.is_none() && self.spec.limits.throttle_bytes_per_s.is_some() {
            found.push(format!("{} moved without a throttle", p.name()));
        }
        found
    }
}
