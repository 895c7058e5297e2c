//! The nodes that are to be restarted, in their order.

use super::reason::{Reason, is_silent, reasons};
use super::{Progress, Restart, Situation};
use crate::model::{Fingerprint, Node, NodeId, PodState};

/// A node with reasons to be restarted.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) id: NodeId,
    pub(super) node: &'a Node,
    pub(super) reasons: Vec<Reason>,
    pub(super) is_active_controller: bool,
    /// It does not run, or has not worked for so long that it will not by itself.
    pub(super) is_down: bool,
    /// It was restarted already, with a spec that has changed since, or is still to be.
    pub(super) flight: Option<&'a Restart>,
}

impl<'a> Candidate<'a> {
    pub(super) fn is_controller(&self) -> bool {
        self.node.roles.controller
    }

    /// It is down, by our hand or by itself: no turn is to be waited for. Others may not come back without it.
    pub(super) fn is_urgent(&self) -> bool {
        (self.flight.is_some() && !self.is_ready()) || self.is_down
    }

    pub(super) fn is_ready(&self) -> bool {
        self.node.pod.state == PodState::Ready
    }

    /// The pod that we wanted to delete is still there: the process was killed before it did so.
    pub(super) fn is_unhurt(&self) -> bool {
        self.flight.is_some_and(|restart| restart.pod == self.node.pod.uid)
    }

    /// Urgent ones, then those that are not ready, controllers before brokers, the active controller last of them.
    pub(super) fn rank(&self) -> impl Ord + use<'a> {
        (
            !self.is_urgent(),
            self.is_ready(),
            !self.is_controller(),
            self.is_active_controller,
            self.id,
        )
    }
}

pub(super) fn candidates<'a>(
    situation: &Situation<'a>,
    progress: &'a Progress,
) -> Vec<Candidate<'a>> {
    let leader = situation.observed.led_quorum().map(|(_, leader)| leader);
    let mut found: Vec<Candidate<'a>> = situation
        .observed
        .nodes
        .iter()
        .filter_map(|(id, node)| {
            let wanted = situation.desired.wanted(*id)?;
            let tried = progress.tried.get(id);
            let reasons = reasons(situation, node, wanted, tried);
            let flight = progress.in_flight.get(id);
            let is_active_controller = leader == Some(*id);
            let is_down = is_down(situation, progress, *id, node);
            let id = *id;
            // Who leaves is not restarted for a new spec, only to be up again.
            let stays = situation.desired.nodes.contains_key(&id);
            let due = !reasons.is_empty() && (stays || is_down || flight.is_some());
            due.then_some(Candidate { id, node, reasons, is_active_controller, is_down, flight })
        })
        .collect();
    found.sort_by_key(Candidate::rank);
    found
}

/// It does not run; or it never came up with this setup, and has had its time; or the others work and it does not answer.
fn is_down(situation: &Situation<'_>, progress: &Progress, id: NodeId, node: &Node) -> bool {
    let so_far_ms = situation.now_ms.saturating_sub(node.pod.since_ms);
    match node.pod.state {
        PodState::Stuck { .. } => true,
        PodState::Starting => {
            let worked = progress.worked.get(&id) == Some(&Fingerprint::of(&node.running));
            so_far_ms >= situation.policy.no_progress_timeout_ms && !worked
        }
        PodState::Unresponsive => is_silent(situation, node) || node.answers_nobody(),
        _ => false,
    }
}
