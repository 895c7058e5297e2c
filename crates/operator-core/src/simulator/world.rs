//! The state of everything, and the queue of what is going to happen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::random::Random;
use crate::model::{DirectoryId, NodeId, Partition, Roles, Setup};
use crate::step::Spec;

#[derive(Debug)]
pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) random: Random,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    queued: u64,
    pub(super) spec: Spec,
    pub(super) nodes: BTreeMap<NodeId, SimNode>,
    /// Disks of nodes that were stopped.
    pub(super) shelf: BTreeMap<NodeId, Disk>,
    pub(super) partitions: Vec<Partition>,
    pub(super) voters: BTreeMap<NodeId, DirectoryId>,
    pub(super) leader: Option<NodeId>,
    pub(super) electing: bool,
    pub(super) registered: BTreeSet<NodeId>,
    pub(super) throttle: Option<u64>,
    /// Faults and edits are over.
    pub(super) calm: bool,
    pub(super) faults: bool,
    pub(super) truth: Truth,
}

/// What the invariants remember.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) ever_formed: bool,
    /// Every id a disk was ever formatted with.
    pub(super) directories: BTreeSet<DirectoryId>,
    /// Nodes that were up when we restarted them, and are not back.
    pub(super) ours: BTreeSet<NodeId>,
    pub(super) violations: Vec<String>,
    /// Nodes that were in flight before: no other takes their turn, whatever was edited since.
    pub(super) decided: BTreeSet<NodeId>,
    /// Pods that we deleted, in order, with the time.
    pub(super) restarts: Vec<(u64, NodeId)>,
    pub(super) told: Vec<String>,
    pub(super) telling: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Operator,
    Fault,
    Edit,
    Topics,
    Calm,
    Elect,
    /// Of one start of a node (its boot): ignored when it has another one.
    Created(NodeId, u64),
    Started(NodeId, u64),
    Recovered(NodeId, u64),
    Register(NodeId, u64),
    RaftCaughtUp(NodeId, u64),
    CaughtUp(NodeId, u64, usize),
    Terminated(NodeId, u64),
    Fence(NodeId),
    Healed(NodeId),
}

#[derive(Debug, Clone)]
pub(super) struct SimNode {
    pub(super) roles: Roles,
    pub(super) rack: Option<String>,
    pub(super) process: Process,
    /// Counts starts of its process.
    pub(super) boot: u64,
    /// Counts its pods.
    pub(super) pod: u64,
    pub(super) running: Setup,
    pub(super) disk: Option<Disk>,
    pub(super) cut: bool,
    pub(super) unclean: bool,
    pub(super) fenced: bool,
    pub(super) caught_up: bool,
    /// Since this boot.
    pub(super) was_ready: bool,
    pub(super) last_caught_up_ms: u64,
    pub(super) last_fetch_ms: u64,
    /// The state Kubernetes shows, with its beginning.
    pub(super) shown: (crate::model::PodState, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Process {
    Missing,
    /// The agent waits for its permit.
    Agent,
    Starting,
    Recovering(u64),
    Up,
    Stuck(&'static str),
    Terminating,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) directory: DirectoryId,
    /// Kafka was started on it before: the agent asks nobody.
    pub(super) started: bool,
    /// Has nothing of the metadata log yet.
    pub(super) fresh: bool,
}

impl World {
    pub(super) fn new(random: Random, spec: Spec) -> Self {
        Self {
            now_ms: 1_000_000,
            random,
            queue: BinaryHeap::new(),
            queued: 0,
            spec,
            nodes: BTreeMap::new(),
            shelf: BTreeMap::new(),
            partitions: Vec::new(),
            voters: BTreeMap::new(),
            leader: None,
            electing: false,
            registered: BTreeSet::new(),
            throttle: None,
            calm: false,
            faults: true,
            truth: Truth::default(),
        }
    }

    pub(super) fn after(&mut self, delay_ms: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse((self.now_ms + delay_ms, self.queued, event)));
    }

    pub(super) fn after_about(&mut self, (low_ms, high_ms): (u64, u64), event: Event) {
        let delay_ms = self.random.range(low_ms, high_ms);
        self.after(delay_ms, event);
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        let Reverse((at_ms, _, event)) = self.queue.pop()?;
        self.now_ms = at_ms;
        Some(event)
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.truth.telling {
            let line = format!("{:>8} {}", self.now_ms - 1_000_000, what());
            self.truth.told.push(line);
        }
    }

    pub(super) fn violated(&mut self, what: &str) {
        self.tell(|| format!("VIOLATED {what}"));
        self.truth.violations.push(format!("at {} ms: {what}", self.now_ms - 1_000_000));
    }

    /// The node, if it is still in that boot.
    pub(super) fn at_boot(&mut self, id: NodeId, boot: u64) -> Option<&mut SimNode> {
        self.nodes.get_mut(&id).filter(|node| node.boot == boot)
    }

    /// Everything that follows at once from a change.
    pub(super) fn refresh(&mut self) {
        self.lead();
        self.lead_partitions();
        let led = self.leader.is_some();
        let now_ms = self.now_ms;
        for node in self.nodes.values_mut() {
            if node.controller_runs() {
                node.last_fetch_ms = now_ms;
            }
            let state = node.state(led);
            node.was_ready |= state == crate::model::PodState::Ready;
            if std::mem::discriminant(&state) != std::mem::discriminant(&node.shown.0) {
                node.shown.1 = now_ms;
            }
            node.shown.0 = state;
        }
        let ours: Vec<NodeId> = self.truth.ours.iter().copied().collect();
        for id in ours {
            let gone = !self.nodes.contains_key(&id);
            if gone || self.is_back(id) {
                self.truth.ours.remove(&id);
            }
        }
    }
}
