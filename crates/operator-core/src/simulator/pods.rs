//! Pods and processes: how they come, and how they go.

use super::world::{Event, Process, SimNode, World};
use crate::model::{NodeId, PodState, Setup};

/// A broker's session: so long after its last heartbeat it is fenced.
const SESSION_MS: u64 = 9_000;

impl SimNode {
    pub(super) fn new(roles: crate::model::Roles, rack: Option<String>) -> Self {
        Self {
            roles,
            rack,
            process: Process::Missing,
            boot: 0,
            pod: 0,
            running: Setup::default(),
            disk: None,
            cut: false,
            unclean: false,
            fenced: true,
            caught_up: false,
            was_ready: false,
            last_caught_up_ms: 0,
            last_fetch_ms: 0,
            shown: (PodState::Missing, 0),
        }
    }

    pub(super) fn state(&self, led: bool) -> PodState {
        let ready = !self.cut && led && !(self.roles.broker && self.fenced);
        match &self.process {
            Process::Missing => PodState::Missing,
            Process::Recovering(logs_left) => PodState::Recovering { logs_left: *logs_left },
            Process::Stuck(why) => PodState::Stuck { why: (*why).to_owned() },
            Process::Terminating => PodState::Terminating,
            Process::Up if ready => PodState::Ready,
            Process::Up if self.was_ready => PodState::Unresponsive,
            Process::Agent | Process::Starting | Process::Up => PodState::Starting,
        }
    }

    pub(super) fn has_disk(&self, directory: crate::model::DirectoryId) -> bool {
        self.disk.is_some_and(|disk| disk.directory == directory)
    }

    pub(super) fn agent_speaks(&self) -> bool {
        !matches!(self.process, Process::Missing | Process::Stuck(_) | Process::Terminating)
    }

    pub(super) fn is_serving(&self) -> bool {
        self.roles.broker && self.process == Process::Up && !self.cut && !self.fenced
    }

    pub(super) fn controller_runs(&self) -> bool {
        let runs = matches!(self.process, Process::Up | Process::Recovering(_));
        self.roles.controller && runs && !self.cut
    }
}

impl World {
    /// Kubernetes makes a pod from the present template.
    pub(super) fn created(&mut self, id: NodeId) {
        let Some(setup) = self.spec.desired.wanted(id).map(|wanted| wanted.setup.clone()) else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(&id) {
            node.pod += 1;
            node.running = setup;
        }
        self.start(id);
    }

    fn start(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.boot += 1;
        node.was_ready = false;
        // The new process has no session yet.
        node.fenced = true;
        let (boot, image) = (node.boot, node.running.revision.clone());
        match image.split('-').next() {
            Some("bad") => node.process = Process::Stuck("ImagePullBackOff"),
            Some("hang") => node.process = Process::Starting,
            _ if node.disk.is_some_and(|disk| disk.started) => {
                node.process = Process::Starting;
                self.after_about((500, 6_000), Event::Started(id, boot));
            }
            _ => node.process = Process::Agent,
        }
        self.tell(|| format!("{id} starts {image}"));
    }

    /// The agent got its permit.
    pub(super) fn permitted(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.process = Process::Starting;
        if let Some(disk) = &mut node.disk {
            disk.started = true;
        }
        let boot = node.boot;
        self.after_about((500, 6_000), Event::Started(id, boot));
    }

    /// Its process runs: the controller votes, the broker reads its logs.
    pub(super) fn started(&mut self, id: NodeId, boot: u64) {
        let logs_left = match self.random.chance(20) {
            true => self.random.range(10, 60),
            false => self.random.range(1, 5),
        };
        let Some(node) = self.at_boot(id, boot) else { return };
        let recovers = node.unclean && node.roles.broker;
        node.process = if recovers { Process::Recovering(logs_left) } else { Process::Up };
        node.unclean = false;
        let roles = node.roles;
        if roles.controller {
            self.after_about((300, 4_000), Event::RaftCaughtUp(id, boot));
        }
        match recovers {
            true => self.after(1_000, Event::Recovered(id, boot)),
            false if roles.broker => self.after(200, Event::Register(id, boot)),
            false => {}
        }
    }

    /// One log more has been read.
    pub(super) fn recovered(&mut self, id: NodeId, boot: u64) {
        let Some(node) = self.at_boot(id, boot) else { return };
        let Process::Recovering(left) = node.process else { return };
        if left > 1 {
            node.process = Process::Recovering(left - 1);
            return self.after(1_000, Event::Recovered(id, boot));
        }
        node.process = Process::Up;
        self.after(200, Event::Register(id, boot));
    }

    /// The process dies at once, and the kubelet starts it again in the same pod; properties and certificate are read anew.
    pub(super) fn crash(&mut self, id: NodeId) {
        self.die(id);
        let wanted = self.spec.desired.wanted(id).map(|wanted| wanted.setup.clone());
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if let Some(wanted) = wanted {
            node.running.config = wanted.config;
            node.running.certificate = wanted.certificate;
        }
        self.start(id);
    }

    /// The machine is gone, and there is no other for a while.
    pub(super) fn lose_machine(&mut self, id: NodeId) {
        self.die(id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.boot += 1;
        node.process = Process::Stuck("Unschedulable");
        let boot = node.boot;
        self.after_about((5_000, 60_000), Event::Created(id, boot));
    }

    /// The process is gone without a word.
    pub(super) fn die(&mut self, id: NodeId) {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.unclean |= matches!(node.process, Process::Up | Process::Recovering(_));
        if node.caught_up {
            node.last_caught_up_ms = now_ms;
        }
        node.caught_up = false;
        node.process = Process::Missing;
        self.after(SESSION_MS, Event::Fence(id));
    }

    /// The pod is deleted: it has time to go in order.
    pub(super) fn delete_pod(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.boot += 1;
        let boot = node.boot;
        let up = node.process == Process::Up;
        let recovering = matches!(node.process, Process::Recovering(_));
        let now_ms = self.now_ms;
        let node = self.nodes.get_mut(&id).expect("it was there");
        if node.caught_up {
            node.last_caught_up_ms = now_ms;
        }
        node.caught_up = false;
        node.unclean |= recovering || (up && node.cut);
        node.process = Process::Terminating;
        let orderly = up && !node.cut && self.leader.is_some();
        if orderly {
            self.fence_now(id);
        } else {
            self.after(SESSION_MS, Event::Fence(id));
        }
        self.after_about((500, 3_000), Event::Terminated(id, boot));
    }

    pub(super) fn terminated(&mut self, id: NodeId, boot: u64) {
        let Some(node) = self.at_boot(id, boot) else { return };
        node.process = Process::Missing;
        self.after_about((200, 2_000), Event::Created(id, boot));
    }

    /// Its wire is cut.
    pub(super) fn cut(&mut self, id: NodeId, for_ms: u64) {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.cut = true;
        if node.caught_up {
            node.last_caught_up_ms = now_ms;
        }
        node.caught_up = false;
        self.after(SESSION_MS, Event::Fence(id));
        self.after(for_ms, Event::Healed(id));
    }

    pub(super) fn healed(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.cut = false;
        let (boot, fenced, up) = (node.boot, node.fenced, node.process == Process::Up);
        if node.roles.broker && fenced && up {
            self.after(500, Event::Register(id, boot));
        }
        self.after_about((300, 4_000), Event::RaftCaughtUp(id, boot));
    }
}
