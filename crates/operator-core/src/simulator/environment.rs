//! Those who break things, and those who change their minds.

use super::scenario::BROKERS_FROM;
use super::world::{Event, Process, World};
use crate::model::{NodeId, Roles, Setup, Wanted};
use crate::roller::{Parallelism, Rollout};

impl World {
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        self.after_about((2_000, 25_000), Event::Fault);
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        let Some(id) = self.random.pick(&nodes) else { return };
        let kind = self.random.range(0, 10);
        let up = matches!(self.nodes[&id].process, Process::Up | Process::Recovering(_));
        self.tell(|| format!("fault {kind} at {id}"));
        match kind {
            0..=2 if up => self.crash(id),
            3 => self.lose_machine(id),
            4 => self.delete_pod(id),
            5 | 6 => {
                let for_ms = self.random.range(1_000, 60_000);
                self.cut(id, for_ms);
            }
            7 => self.fall_behind(id),
            8 => self.lag(id),
            9 if self.is_healthy() => self.lose_disk(id),
            _ => {}
        }
    }

    /// A voter that is slow for a while.
    fn lag(&mut self, id: NodeId) {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.caught_up) else { return };
        node.caught_up = false;
        node.last_caught_up_ms = now_ms;
        let boot = node.boot;
        self.after_about((1_000, 15_000), Event::RaftCaughtUp(id, boot));
    }

    fn lose_disk(&mut self, id: NodeId) {
        self.die(id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.disk = None;
        node.unclean = false;
        node.boot += 1;
        let boot = node.boot;
        self.after(1_000, Event::Created(id, boot));
    }

    /// One disk may be lost without a wound that only a backup heals.
    fn is_healthy(&self) -> bool {
        let wanted: Vec<NodeId> = self.spec.desired.controllers().collect();
        let voting: Vec<NodeId> = self.voters.keys().copied().collect();
        wanted == voting
            && voting.len() >= 3
            && self.nodes.len() == self.spec.desired.nodes.len()
            && self.nodes.keys().all(|id| self.is_back(*id) && !self.nodes[id].cut)
    }

    pub(super) fn edit(&mut self) {
        if self.calm {
            return;
        }
        self.after_about((10_000, 60_000), Event::Edit);
        let number = self.now_ms;
        let kind = self.random.range(0, 14);
        self.tell(|| format!("edit {kind}"));
        if self.is_broken() {
            return self.repair();
        }
        match kind {
            0 | 1 => self.setups(|setup| setup.revision = format!("r-{number}")),
            2 => self.setups(|setup| setup.revision = format!("bad-{number}")),
            3 => self.setups(|setup| setup.revision = format!("hang-{number}")),
            4 => self.property("static", &format!("{number}")),
            5 => self.property("num.io.threads", &format!("{number}")),
            6 => self.property("num.io.threads", &format!("refused-{number}")),
            7 => self.setups(|setup| setup.config.clear()),
            8 => self.setups(|setup| setup.certificate = format!("c-{number}")),
            9 => self.setups(|setup| setup.certificate = format!("refused-{number}")),
            10 => self.ask_for_restart(),
            11 => self.scale_controllers(),
            12 => self.scale_brokers(),
            _ => self.change_policy(),
        }
        self.make_nodes();
    }

    /// Something that restarts some or all nodes, and does not fail.
    pub(super) fn edit_setups(&mut self) {
        let number = self.now_ms;
        if self.random.chance(60) {
            self.setups(|setup| setup.revision = format!("r-{number}"));
        }
        if self.random.chance(40) {
            self.property("static", &format!("{number}"));
        }
        if self.random.chance(40) {
            self.property("num.io.threads", &format!("{number}"));
        }
        if self.random.chance(40) {
            self.setups(|setup| setup.certificate = format!("c-{number}"));
        }
        for _ in 0..2 {
            self.ask_for_restart();
        }
    }

    fn is_broken(&self) -> bool {
        let mut setups = self.spec.desired.nodes.values().map(|wanted| &wanted.setup.revision);
        setups.any(|revision| !revision.starts_with("r-"))
    }

    fn repair(&mut self) {
        let number = self.now_ms;
        self.setups(|setup| setup.revision = format!("r-{number}"));
    }

    fn setups(&mut self, change: impl Fn(&mut Setup)) {
        let desired = &mut self.spec.desired;
        for wanted in desired.nodes.values_mut().chain(desired.leaving.values_mut()) {
            change(&mut wanted.setup);
        }
    }

    fn property(&mut self, key: &str, value: &str) {
        self.setups(|setup| {
            setup.config.insert(key.to_owned(), value.to_owned());
        });
    }

    fn ask_for_restart(&mut self) {
        let nodes: Vec<NodeId> = self.spec.desired.nodes.keys().copied().collect();
        let number = self.now_ms;
        let id = self.random.pick(&nodes).unwrap_or_default();
        if let Some(wanted) = self.spec.desired.nodes.get_mut(&id) {
            wanted.setup.restart = number.to_string();
        }
    }

    fn change_policy(&mut self) {
        self.spec.policy.rollout = match self.random.range(0, 3) {
            0 => Rollout::Manual { approved: None },
            1 => Rollout::Manual { approved: Some(self.spec.desired.fingerprint()) },
            _ => Rollout::Auto,
        };
        if self.truth.ours.is_empty() {
            self.spec.policy.parallelism = match self.random.range(0, 2) {
                0 => Parallelism::OneAtATime,
                _ => Parallelism::Rack { nodes_max: 2 },
            };
        }
    }

    /// 1, 3 or 5; at times an even number, which is refused; at times one goes and another comes.
    fn scale_controllers(&mut self) {
        let mut now: Vec<NodeId> = self.spec.desired.controllers().collect();
        let Some(like) = now.first().and_then(|id| self.spec.desired.nodes.get(id)).cloned() else {
            return;
        };
        let combined = like.roles.broker;
        let target = self.random.pick(&[1, 3, 3, 4, 5, 5]).unwrap_or(3);
        let target = if combined { target.max(3) } else { target };
        if self.random.chance(30) && now.len() > 1 {
            let id = self.random.pick(&now).unwrap_or_default();
            now.retain(|other| *other != id);
            self.depart(id);
        }
        while now.len() > target {
            let id = now.pop().unwrap_or_default();
            self.depart(id);
        }
        let mut free = (0..BROKERS_FROM).map(NodeId);
        while now.len() < target {
            let Some(id) = free.find(|id| !self.spec.desired.nodes.contains_key(id)) else { break };
            self.arrive(id, &like);
            now.push(id);
        }
    }

    /// Between three and six of their own.
    fn scale_brokers(&mut self) {
        let brokers =
            |(id, wanted): (&NodeId, &Wanted)| (wanted.roles == Roles::BROKER).then_some(*id);
        let mut now: Vec<NodeId> = self.spec.desired.nodes.iter().filter_map(brokers).collect();
        let Some(like) = now.first().and_then(|id| self.spec.desired.nodes.get(id)).cloned() else {
            return;
        };
        let target = self.random.range(3, 7) as usize;
        while now.len() > target {
            let index = self.random.range(0, now.len() as u64) as usize;
            let id = now.remove(index);
            self.depart(id);
        }
        let mut free = (BROKERS_FROM..).map(NodeId);
        while now.len() < target {
            let Some(id) = free.find(|id| !self.spec.desired.nodes.contains_key(id)) else { break };
            self.arrive(id, &like);
            now.push(id);
        }
    }

    fn arrive(&mut self, id: NodeId, like: &Wanted) {
        self.spec.desired.leaving.remove(&id);
        self.spec.desired.nodes.insert(id, like.clone());
    }

    fn depart(&mut self, id: NodeId) {
        let desired = &mut self.spec.desired;
        desired.leaving.extend(desired.nodes.remove_entry(&id));
    }

    /// From here on nothing breaks, and what is asked for can be had.
    pub(super) fn become_calm(&mut self) {
        self.calm = true;
        self.tell(|| "calm".to_owned());
        if self.is_broken() {
            self.repair();
        }
        let mut controllers: Vec<NodeId> = self.spec.desired.controllers().collect();
        if controllers.len().is_multiple_of(2) {
            let id = controllers.pop().unwrap_or_default();
            self.depart(id);
        }
        self.spec.policy.rollout = Rollout::Auto;
        self.make_nodes();
    }
}
