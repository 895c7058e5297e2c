//! What a roll would do, before it does anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::decide::{Action, decide, settle};
use super::next::next;
use super::{Obstacle, Policy, Progress, Reason, Rollout, Situation, Stopped};
use crate::model::{Desired, Fingerprint, NodeId, Observed, PodState, QUORUM_FETCH_TIMEOUT_MS};

/// Everything a roll is going to do if nothing fails: the same choice as the roll's own, asked again and again while each
/// restarted node is taken to have come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names what is rolled out; what an approval names. Stays the same while the roll goes on.
    pub fingerprint: Fingerprint,
    /// Properties that are changed while the nodes run.
    pub alterations: BTreeMap<NodeId, Vec<String>>,
    /// The restarts, in their order. One step begins when all nodes of the one before are in step.
    pub steps: Vec<Step>,
    /// The roll stopped at this node.
    pub stopped: Option<Stopped>,
}

/// Restarts that go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The nodes and why.
    pub restarts: Vec<(NodeId, Vec<Reason>)>,
    /// What keeps the step from being taken now; empty if only the steps before it do.
    pub waits_for: Vec<Obstacle>,
    /// Topics with too few replicas to keep their availability meanwhile.
    pub interrupts: BTreeSet<String>,
}

/// The whole roll from here on.
pub fn plan(situation: &Situation<'_>, progress: &Progress) -> Plan {
    let first = decide(situation, progress);
    let mut plan = Plan {
        fingerprint: first.progress.spec.clone(),
        alterations: alterations(&first.actions),
        steps: Vec::new(),
        stopped: first.stopped,
    };
    let mut observed = situation.observed.clone();
    let mut policy = situation.policy.clone();
    // As before the decision, so that its own restarts are the first step.
    let mut progress = Progress { in_flight: progress.in_flight.clone(), ..first.progress };
    let mut held = situation.held.clone();
    let mut waits_for = Vec::new();
    loop {
        let assumed = Situation { observed: &observed, policy: &policy, held: &held, ..*situation };
        let settled = settle(&assumed, &progress);
        let next = next(&assumed, &settled);
        let restarts: Vec<(NodeId, Vec<Reason>)> =
            next.go.iter().map(|c| (c.id, c.reasons.clone())).collect();
        let blocked = next.blocked.into_iter().next().map(|(_, obstacles)| obstacles);
        progress = settled;
        if restarts.is_empty() {
            let (Some(obstacles), true) = (blocked, waits_for.is_empty()) else { break };
            waits_for = obstacles;
            calm(&mut observed, situation.desired);
            policy = Policy { rollout: Rollout::Auto, ..policy };
            held.clear();
            continue;
        }
        let nodes: Vec<NodeId> = restarts.iter().map(|(id, _)| *id).collect();
        let interrupts = interrupted(&observed, &nodes);
        let waits_for = std::mem::take(&mut waits_for);
        plan.steps.push(Step { restarts, waits_for, interrupts });
        for id in nodes {
            progress.in_flight.remove(&id);
            progress.proven |= observed.nodes[&id].roles.broker;
            come_back(&mut observed, situation.desired, id);
        }
    }
    plan
}

fn alterations(actions: &[Action]) -> BTreeMap<NodeId, Vec<String>> {
    let mut found: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
    for action in actions {
        match action {
            Action::AlterConfig { node, properties } => {
                found.entry(*node).or_default().extend(properties.keys().cloned());
            }
            Action::ReloadCertificate { node } => {
                found.entry(*node).or_default().push("certificate".to_owned());
            }
            Action::Restart { .. } => {}
        }
    }
    found
}

/// Topics of partitions on `nodes` that are below what they need without any one replica.
fn interrupted(observed: &Observed, nodes: &[NodeId]) -> BTreeSet<String> {
    let fragile = observed.partitions().iter().filter(|p| p.is_fragile());
    let hit = fragile.filter(|p| p.isr.iter().any(|member| nodes.contains(member)));
    hit.map(|p| p.topic.clone()).collect()
}

/// As if `id` had been restarted and were in step.
fn come_back(observed: &mut Observed, desired: &Desired, id: NodeId) {
    if let (Some(node), Some(wanted)) = (observed.nodes.get_mut(&id), desired.wanted(id)) {
        node.running = wanted.setup.clone();
        node.pod.uid.push('+');
    }
    in_step(observed, id);
}

/// As if everything that can be waited for had come.
fn calm(observed: &mut Observed, desired: &Desired) {
    let leader = desired.controllers().next();
    let quorum = &mut observed.metadata.get_or_insert_default().quorum;
    quorum.leader = quorum.leader.or(leader);
    let nodes: Vec<NodeId> = observed.nodes.keys().copied().collect();
    for id in nodes {
        in_step(observed, id);
    }
}

fn in_step(observed: &mut Observed, id: NodeId) {
    if let Some(node) = observed.nodes.get_mut(&id) {
        node.pod.state = PodState::Ready;
    }
    let Some(metadata) = &mut observed.metadata else { return };
    for partition in metadata.partitions.iter_mut().filter(|p| p.replicas.contains(&id)) {
        partition.leader.get_or_insert(id);
        if !partition.isr.contains(&id) {
            partition.isr.push(id);
        }
    }
    let voter = metadata.quorum.voters.iter_mut().find(|voter| voter.node == id);
    if let Some(voter) = voter {
        voter.lag_ms = voter.lag_ms.min(QUORUM_FETCH_TIMEOUT_MS);
        metadata.quorum.leader.get_or_insert(id);
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan {}", self.fingerprint)?;
        for (node, keys) in &self.alterations {
            writeln!(f, "  node {node} takes {} while it runs", keys.join(", "))?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            for (node, reasons) in &step.restarts {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                writeln!(f, "  {}. restart node {node}: {}", index + 1, reasons.join(", "))?;
            }
            for obstacle in &step.waits_for {
                writeln!(f, "     waits for {obstacle}")?;
            }
            if !step.interrupts.is_empty() {
                let topics: Vec<&str> = step.interrupts.iter().map(String::as_str).collect();
                writeln!(f, "     interrupts {}", topics.join(", "))?;
            }
        }
        if let Some(stopped) = &self.stopped {
            writeln!(f, "  stopped at node {}: {}", stopped.node, stopped.why)?;
        }
        if self.alterations.is_empty() && self.steps.is_empty() {
            writeln!(f, "  nothing to do")?;
        }
        Ok(())
    }
}
