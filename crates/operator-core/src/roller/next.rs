//! What may be restarted now. The plan and the roll both ask here.

use std::collections::{BTreeMap, BTreeSet};

use super::availability;
use super::candidate::{Candidate, candidates};
use super::{Obstacle, Parallelism, Progress, Situation, Stopped};
use crate::model::{NodeId, PodState};

#[derive(Debug)]
pub(super) struct Next<'a> {
    pub(super) go: Vec<Candidate<'a>>,
    pub(super) blocked: Vec<(Candidate<'a>, Vec<Obstacle>)>,
    pub(super) stopped: Option<Stopped>,
}

pub(super) fn next<'a>(situation: &Situation<'a>, progress: &'a Progress) -> Next<'a> {
    let all = candidates(situation, progress);
    let stopped = stopped(situation, progress, &all);
    let controllers: Vec<_> =
        all.iter().filter(|c| c.is_controller()).map(|c| (c.id, c.rank())).collect();
    let outdated: BTreeMap<NodeId, bool> = all.iter().map(|c| (c.id, c.is_unhurt())).collect();
    let mut next = Next { go: Vec::new(), blocked: Vec::new(), stopped };
    for candidate in all {
        let mut found: Vec<Obstacle> =
            hard(situation, progress, &candidate, next.stopped.as_ref()).into_iter().collect();
        if found.is_empty() && !candidate.is_urgent() {
            found.extend(turn(situation, progress, &candidate, &outdated, &next.go));
        }
        // The others wait for one that was restarted already.
        if found.is_empty() && !candidate.is_urgent() && candidate.flight.is_none() {
            let others = controllers.iter().filter(|(id, _)| *id != candidate.id);
            if candidate.is_active_controller && others.clone().next().is_some() {
                found.push(Obstacle::ActiveControllerLast);
            }
            let before = |(_, rank): &(_, _)| *rank < candidate.rank();
            if !candidate.is_controller() && others.clone().any(before) {
                found.push(Obstacle::ControllersFirst);
            }
        }
        found.extend(taken_away(situation, progress, &candidate, &next.go));
        if found.is_empty() {
            next.go.push(candidate);
        } else {
            next.blocked.push((candidate, found));
        }
    }
    next
}

/// What holds a node back whatever the others do.
fn hard(
    situation: &Situation<'_>,
    progress: &Progress,
    candidate: &Candidate<'_>,
    stopped: Option<&Stopped>,
) -> Option<Obstacle> {
    let now_ms = situation.now_ms;
    if let PodState::Recovering { logs_left } = candidate.node.pod.state {
        return Some(Obstacle::LogRecovery { logs_left });
    }
    if let Some(stopped) = stopped
        && (stopped.cannot_run || !candidate.is_down)
    {
        return Some(Obstacle::Stopped(stopped.node));
    }
    if let Some(restart) = candidate.flight
        && candidate.is_ready()
        && !candidate.is_unhurt()
        && now_ms.saturating_sub(restart.moved_ms) < situation.policy.no_progress_timeout_ms
    {
        return Some(Obstacle::CatchingUp);
    }
    let down = candidate.is_urgent() && !candidate.is_ready();
    if !situation.policy.rollout.is_open(&progress.spec, down, now_ms) {
        return Some(match situation.policy.rollout {
            super::Rollout::Manual { .. } => Obstacle::NotApproved(progress.spec.clone()),
            _ => Obstacle::WindowClosed,
        });
    }
    let held = situation.held.contains(&candidate.id) && !candidate.is_down;
    held.then_some(Obstacle::QuorumChange)
}

/// Whose turn it is: nobody's while a node is in flight, except brokers of one rack together.
fn turn(
    situation: &Situation<'_>,
    progress: &Progress,
    candidate: &Candidate<'_>,
    outdated: &BTreeMap<NodeId, bool>,
    go: &[Candidate<'_>],
) -> Option<Obstacle> {
    // Of those that came back with an older spec each would wait for the others.
    let late = |id: &NodeId| outdated.get(id).is_some_and(|unhurt| !unhurt);
    let is_late = candidate.flight.is_some() && !candidate.is_unhurt();
    let waits = |id: &&NodeId| **id != candidate.id && !(is_late && late(id));
    if let Some(id) = progress.in_flight.keys().find(waits) {
        return Some(Obstacle::InFlight(*id));
    }
    let first = go.first()?;
    let together = match situation.policy.parallelism {
        Parallelism::OneAtATime => false,
        Parallelism::Rack { nodes_max } => {
            let rack = candidate.node.rack.as_ref();
            progress.proven
                && go.len() < nodes_max
                && rack.is_some()
                && go
                    .iter()
                    .chain([candidate])
                    .all(|c| c.node.rack.as_ref() == rack && !c.is_controller() && !c.is_urgent())
        }
    };
    (!together).then_some(Obstacle::InFlight(first.id))
}

fn taken_away(
    situation: &Situation<'_>,
    progress: &Progress,
    candidate: &Candidate<'_>,
    go: &[Candidate<'_>],
) -> Vec<Obstacle> {
    let gone: BTreeSet<NodeId> =
        progress.in_flight.keys().copied().chain(go.iter().map(|c| c.id)).collect();
    let Situation { observed, now_ms, .. } = *situation;
    availability::obstacles(candidate.id, candidate.node, observed, &gone, now_ms)
}

/// A node that has the present setup and does not come back with it; before all others one that cannot run at all.
fn stopped(
    situation: &Situation<'_>,
    progress: &Progress,
    outdated: &[Candidate<'_>],
) -> Option<Stopped> {
    let timeout_ms = situation.policy.no_progress_timeout_ms;
    let current = situation.desired.nodes.keys().filter(|id| outdated.iter().all(|c| c.id != **id));
    let current = current.filter_map(|id| Some((id, situation.observed.nodes.get(id)?)));
    let found = current.filter_map(|(id, node)| {
        if let PodState::Stuck { why } = &node.pod.state {
            return Some(Stopped { node: *id, why: why.clone(), cannot_run: true });
        }
        let restart = progress.in_flight.get(id)?;
        let still_ms = situation.now_ms.saturating_sub(restart.moved_ms);
        let recovers = matches!(node.pod.state, PodState::Recovering { .. });
        (still_ms >= timeout_ms && !recovers).then(|| Stopped {
            node: *id,
            why: format!("no nearer since {} s: {}", still_ms / 1000, missing(situation, *id)),
            cannot_run: false,
        })
    });
    found.min_by_key(|stopped| !stopped.cannot_run)
}

/// What a node lacks to be in step.
fn missing(situation: &Situation<'_>, id: NodeId) -> String {
    let observed = situation.observed;
    if !observed.is_ready(id) {
        return "its pod is not ready".to_owned();
    }
    let mut behind = observed.behind(id);
    match behind.next() {
        Some(first) => {
            format!("{} and {} other partitions not in sync", first.name(), behind.count())
        }
        None => "its controller is not in step with the quorum".to_owned(),
    }
}
