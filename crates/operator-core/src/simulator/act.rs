//! What the operator does, done to the world.

use std::collections::BTreeMap;

use super::observe::uid;
use super::world::{Disk, Process, World};
use crate::model::{DirectoryId, NodeId};
use crate::quorum::{Action as Voters, Format, Permit, Reservation};
use crate::roller::Action as Roll;
use crate::step::{Action, Progress};
use crate::{drain, roller};

impl World {
    /// Does one action. What came of an alteration goes into the progress.
    pub(super) fn act(&mut self, action: Action, progress: &mut Progress) {
        if !matches!(action, Action::Permit(..)) {
            self.tell(|| format!("operator {action:?}"));
        }
        self.check(&action, progress);
        match action {
            Action::Permit(id, permit) => self.permit(id, &permit),
            Action::Quorum(Voters::AddVoter { node, directory }) => self.add_voter(node, directory),
            Action::Quorum(Voters::RemoveVoter { node, directory }) => {
                self.remove_voter(node, directory);
            }
            Action::Drain(action) => self.drain(action),
            Action::Stop(id) => self.stop(id),
            Action::Unregister(id) => {
                self.registered.remove(&id);
            }
            Action::Roller(Roll::Restart { node, pod, .. }) => self.restart(node, &pod),
            Action::Roller(Roll::AlterConfig { node, properties }) => {
                let result = self.alter(node, properties);
                self.altered(progress, node, result);
            }
            Action::Roller(Roll::ReloadCertificate { node }) => {
                let result = self.reload(node);
                self.altered(progress, node, result);
            }
        }
        self.refresh();
    }

    /// Nothing comes of it if the broker cannot be asked.
    fn altered(&self, progress: &mut Progress, node: NodeId, result: Option<Result<(), String>>) {
        let desired = &self.spec.desired;
        if let Some(result) = result {
            roller::handle_altered(&mut progress.roller, desired, node, result, self.now_ms);
        }
    }

    fn alter(
        &mut self,
        id: NodeId,
        properties: BTreeMap<String, Option<String>>,
    ) -> Option<Result<(), String>> {
        if !self.serves(id) || self.leader.is_none() {
            return None;
        }
        if properties.values().flatten().any(|value| value.starts_with("refused")) {
            return Some(Err("INVALID_CONFIG".to_owned()));
        }
        let config = &mut self.nodes.get_mut(&id)?.running.config;
        for (key, value) in properties {
            match value {
                Some(value) => config.insert(key, value),
                None => config.remove(&key),
            };
        }
        Some(Ok(()))
    }

    fn reload(&mut self, id: NodeId) -> Option<Result<(), String>> {
        let name = self.spec.desired.nodes.get(&id)?.setup.certificate.clone();
        if !self.serves(id) {
            return None;
        }
        // As Kafka does with one for another name.
        if name.starts_with("refused") {
            return Some(Err("INVALID_CONFIG".to_owned()));
        }
        self.nodes.get_mut(&id)?.running.certificate = name;
        Some(Ok(()))
    }

    fn permit(&mut self, id: NodeId, permit: &Permit) {
        let Some(node) = self.nodes.get(&id) else { return };
        let (asks, empty) = (node.process == Process::Agent, node.disk.is_none());
        match permit {
            Permit::Start if asks => self.permitted(id),
            Permit::Format(Format::Initial { controllers, .. }) if asks && empty => {
                self.format(id, controllers[&id], false);
                if self.voters.is_empty() {
                    self.voters = controllers.clone();
                }
            }
            Permit::Format(Format::Join { .. }) if asks && empty => {
                let bits = std::iter::repeat_with(|| self.random.bits_128());
                let directory = { bits }.find_map(DirectoryId::from_random);
                self.format(id, directory.expect("some bits will do"), true);
            }
            Permit::Wait(Reservation::LastReplica { partition }) => self.elect_unclean(partition),
            _ => {}
        }
    }

    /// What a person does who is told so: with the disk gone, another replica is the best there is.
    fn elect_unclean(&mut self, name: &str) {
        let found = self.partitions.iter().position(|p| p.name() == name);
        let Some(index) = found.filter(|_| self.leader.is_some()) else { return };
        let replicas = self.partitions[index].replicas.clone();
        if let Some(best) = replicas.into_iter().find(|id| self.serves(*id)) {
            self.partitions[index].isr = vec![best];
        }
    }

    fn format(&mut self, id: NodeId, directory: DirectoryId, fresh: bool) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.disk = Some(Disk { directory, started: false, fresh });
        }
        self.truth.directories.insert(directory);
        self.tell(|| format!("{id} formatted {directory}"));
    }

    fn restart(&mut self, id: NodeId, pod: &str) {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if uid(id, node.pod) != pod || node.process == Process::Terminating {
            return;
        }
        let up = node.shown.0 == crate::model::PodState::Ready;
        self.truth.restarts.push((now_ms, id));
        if up {
            self.truth.ours.insert(id);
        }
        self.delete_pod(id);
    }

    fn stop(&mut self, id: NodeId) {
        self.spec.desired.leaving.remove(&id);
        if let Some(disk) = self.nodes.remove(&id).and_then(|node| node.disk) {
            self.shelf.insert(id, disk);
        }
    }

    fn drain(&mut self, action: drain::Action) {
        match action {
            drain::Action::Throttle { bytes_per_s } => self.throttle = Some(bytes_per_s),
            drain::Action::Unthrottle => self.throttle = None,
            drain::Action::Reassign { topic, index, replicas } => {
                let found =
                    self.partitions.iter().position(|p| p.topic == topic && p.index == index);
                if let (Some(found), Some(_)) = (found, self.leader) {
                    self.reassign(found, &replicas);
                }
            }
        }
    }
}
