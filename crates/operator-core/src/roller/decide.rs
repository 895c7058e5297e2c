//! One decision of a roll.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::next::next;
use super::progress::Distance;
use super::reason::{Reason, reasons};
use super::{Obstacle, Policy, Progress, Restart, Stopped, Tried, dynamic};
use crate::model::{Desired, Fingerprint, NodeId, Observed, PodState};

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The cluster as it is.
    pub observed: &'a Observed,
    /// The cluster as it should be.
    pub desired: &'a Desired,
    /// How to get there.
    pub policy: &'a Policy,
    /// Nodes that have to stay up now: the quorum's voters while they are being changed.
    pub held: &'a BTreeSet<NodeId>,
    /// Milliseconds since 1970, from the same clock as the pods' times.
    pub now_ms: u64,
}

/// What to store, what to do, what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// To be stored before anything is done.
    pub progress: Progress,
    /// To be done, in this order.
    pub actions: Vec<Action>,
    /// Restarts that are due and wait.
    pub waits: Vec<Wait>,
    /// The roll stopped.
    pub stopped: Option<Stopped>,
}

/// Something to do. Each may be done twice without harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// IncrementalAlterConfigs for one broker; its result goes to [`handle_altered`].
    AlterConfig {
        /// The broker.
        node: NodeId,
        /// The properties; `None` takes the altered value away.
        properties: BTreeMap<String, Option<String>>,
    },
    /// Have the broker load its certificate again; the result goes to [`handle_altered`].
    ReloadCertificate {
        /// The broker.
        node: NodeId,
    },
    /// Delete this pod, and only this one (precondition: its uid).
    Restart {
        /// The node.
        node: NodeId,
        /// Its pod's uid.
        pod: String,
        /// Why.
        reasons: Vec<Reason>,
    },
}

impl Action {
    /// Whom it is about.
    pub fn node(&self) -> NodeId {
        match self {
            Self::AlterConfig { node, .. }
            | Self::ReloadCertificate { node }
            | Self::Restart { node, .. } => *node,
        }
    }
}

/// A restart that is due and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The node.
    pub node: NodeId,
    /// Why it is due.
    pub reasons: Vec<Reason>,
    /// What it waits for.
    pub obstacles: Vec<Obstacle>,
}

/// A pod that is still there after so long was not deleted: no view of the cluster is older than that.
const WITHDRAWN_AFTER_MS: u64 = 30_000;

/// The next step of the roll.
pub fn decide(situation: &Situation<'_>, progress: &Progress) -> Decision {
    let mut progress = settle(situation, progress);
    let mut actions = alterations(situation, &progress);
    let next = next(situation, &progress);
    let waits = next
        .blocked
        .into_iter()
        .map(|(c, obstacles)| Wait { node: c.id, reasons: c.reasons, obstacles })
        .collect();
    let (stopped, go) = (next.stopped, next.go);
    let restarts: Vec<(NodeId, String, Vec<Reason>)> =
        go.into_iter().map(|c| (c.id, c.node.pod.uid.clone(), c.reasons)).collect();
    for (node, pod, reasons) in restarts {
        let restart = Restart::new(&pod, reasons.clone(), situation.now_ms)
            .after(progress.in_flight.get(&node));
        progress.in_flight.insert(node, restart);
        actions.push(Action::Restart { node, pod, reasons });
    }
    Decision { progress, actions, waits, stopped }
}

/// Takes in what came of an [`Action::AlterConfig`] or [`Action::ReloadCertificate`]. Of both for one node, a refusal
/// counts; to be stored.
pub fn handle_altered(
    progress: &mut Progress,
    desired: &Desired,
    node: NodeId,
    result: Result<(), String>,
    now_ms: u64,
) {
    let Some(wanted) = desired.wanted(node) else { return };
    let content = dynamic::content(wanted);
    let before = progress.tried.remove(&node).filter(|tried| tried.content == content);
    let failed = before.and_then(|tried| tried.failed).or(result.err());
    progress.tried.insert(node, Tried { content, at_ms: now_ms, failed });
}

/// What became of the restarts and alterations so far.
pub(super) fn settle(situation: &Situation<'_>, progress: &Progress) -> Progress {
    let Situation { observed, desired, now_ms, .. } = *situation;
    let mut progress = progress.clone();
    let spec = desired.fingerprint();
    if progress.spec != spec {
        progress.spec = spec;
        progress.proven = false;
    }
    progress.tried.retain(|id, tried| {
        desired.wanted(*id).is_some_and(|wanted| tried.content == dynamic::content(wanted))
    });
    for (id, node) in &observed.nodes {
        if node.pod.state == PodState::Ready {
            progress.worked.insert(*id, Fingerprint::of(&node.running));
        }
    }
    progress.worked.retain(|id, _| observed.nodes.contains_key(id));
    let Progress { in_flight, tried, proven, .. } = &mut progress;
    in_flight.retain(|id, restart| {
        // One that leaves counts as long as it is there: it still has replicas and a vote.
        let Some(node) = observed.nodes.get(id) else { return desired.nodes.contains_key(id) };
        restart.observe(Distance::of(*id, node, observed), now_ms);
        let Some(wanted) = desired.wanted(*id) else { return !observed.is_in_step(*id) };
        let current = reasons(situation, node, wanted, tried.get(id)).is_empty();
        let was_deleted = restart.pod != node.pod.uid;
        // A pod that is still the old one and current has lost its reason: the spec went back.
        let returned = (was_deleted || current) && observed.is_in_step(*id);
        // Decided and not done, by a process that was killed, and it has not become safe since: it loses its turn, or those it waits
        // for would wait for it.
        let overdue = now_ms.saturating_sub(restart.since_ms) >= WITHDRAWN_AFTER_MS;
        let withdrawn = !was_deleted && overdue && node.pod.state == PodState::Ready;
        *proven |= returned && current && node.roles.broker;
        !returned && (!withdrawn || restart.withdraw())
    });
    progress
}

/// Changes that running brokers can take, and that were not tried yet.
fn alterations(situation: &Situation<'_>, progress: &Progress) -> Vec<Action> {
    let mut actions = Vec::new();
    if situation.observed.led_quorum().is_none() {
        return actions;
    }
    for (id, wanted) in &situation.desired.nodes {
        let Some(node) = situation.observed.nodes.get(id) else { continue };
        let tried = progress.tried.contains_key(id);
        if tried || !node.roles.broker || node.pod.state != PodState::Ready {
            continue;
        }
        let changes = dynamic::changes(node, wanted);
        if !changes.dynamic.is_empty() {
            actions.push(Action::AlterConfig { node: *id, properties: changes.dynamic });
        }
        if changes.certificate {
            actions.push(Action::ReloadCertificate { node: *id });
        }
    }
    actions
}
