//! What must outlive the process: the status of a roll.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::model::{Fingerprint, Node, NodeId, Observed, PodState};

/// A roll so far. Losing it costs caution (nodes not in step are still seen), not safety of partitions or quorum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being rolled out.
    pub spec: Fingerprint,
    /// Nodes that were restarted, or are about to be, and are not in step again.
    pub in_flight: BTreeMap<NodeId, Restart>,
    /// A broker came back with the present spec.
    pub proven: bool,
    /// The setup each node was last ready with: if it does not come up, then not because of that.
    pub worked: BTreeMap<NodeId, Fingerprint>,
    /// What was altered while nodes ran.
    pub tried: BTreeMap<NodeId, Tried>,
}

/// One restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The pod that was to be deleted. Is it still there, then it was not.
    pub pod: String,
    /// It had been restarted before and was not in step again, when the spec changed.
    pub again: bool,
    /// Why.
    pub reasons: Vec<Reason>,
    /// When it was decided.
    pub since_ms: u64,
    /// When the node last came nearer.
    pub moved_ms: u64,
    /// How far it was from being in step, at its nearest.
    pub nearest: Distance,
}

/// An attempt to change a node while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Of which configuration and certificate.
    pub content: Fingerprint,
    /// When.
    pub at_ms: u64,
    /// Kafka's words, if it refused.
    pub failed: Option<String>,
}

/// How far a node is from being in step: first its phase, then what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Distance(u8, u64);

impl Distance {
    pub(super) const FARTHEST: Self = Self(u8::MAX, u64::MAX);

    pub(super) fn of(id: NodeId, node: &Node, observed: &Observed) -> Self {
        match node.pod.state {
            PodState::Terminating => Self(5, 0),
            PodState::Missing => Self(4, 0),
            PodState::Starting | PodState::Unresponsive | PodState::Stuck { .. } => Self(3, 0),
            PodState::Recovering { logs_left } => Self(2, logs_left),
            PodState::Ready => Self(1, observed.behind(id).count() as u64),
        }
    }
}

impl Restart {
    pub(super) fn new(pod: &str, reasons: Vec<Reason>, now_ms: u64) -> Self {
        let (again, nearest) = (false, Distance::FARTHEST);
        Self { pod: pod.to_owned(), again, reasons, since_ms: now_ms, moved_ms: now_ms, nearest }
    }

    /// The restart before this one did delete its pod.
    pub(super) fn after(mut self, before: Option<&Self>) -> Self {
        self.again = before.is_some_and(|before| before.again || before.pod != self.pod);
        self
    }

    /// The last restart is not going to happen; whether the node is still down from the one before.
    pub(super) fn withdraw(&mut self) -> bool {
        self.pod.clear();
        std::mem::take(&mut self.again)
    }

    pub(super) fn observe(&mut self, distance: Distance, now_ms: u64) {
        if distance < self.nearest {
            self.nearest = distance;
            self.moved_ms = now_ms;
        }
    }
}
