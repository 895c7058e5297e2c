//! What is told of a cluster. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use klamm_crd::{
    Conditions as _, KafkaClusterStatus, ListenerStatus, NodeStatus, PlanStatus, PlannedRestart,
};

use crate::model::{Desired, Disk, NodeId, Observed, PodState};
use crate::roller::Plan;
use crate::step::{Progress, Step};

/// Everything there is to tell.
#[derive(Debug)]
pub struct Told<'a> {
    /// The generation that was looked at.
    pub generation: Option<i64>,
    /// What is.
    pub observed: &'a Observed,
    /// What should be.
    pub desired: &'a Desired,
    /// Which pool each node is of.
    pub pools: &'a BTreeMap<NodeId, String>,
    /// What was decided.
    pub step: &'a Step,
    /// What is going to be done.
    pub plan: &'a Plan,
    /// Where clients connect.
    pub listeners: Vec<ListenerStatus>,
    /// The version in the spec.
    pub version: &'a str,
    /// The finalized `metadata.version`.
    pub metadata_version: Option<String>,
    /// What somebody should know of certificates, disks and configuration, worst first.
    pub warnings: Vec<String>,
    /// What failed in this pass.
    pub failures: Vec<String>,
}

/// The status after this pass. `before` gives conditions their age.
pub fn status(told: Told<'_>, before: &KafkaClusterStatus, now: &Time) -> KafkaClusterStatus {
    let conditions = conditions(&told, &before.conditions, now);
    let Told { observed, desired, pools, step, plan, .. } = told;
    let metadata = observed.metadata.as_ref();
    let ready = desired.nodes.keys().filter(|id| observed.is_ready(**id)).count();
    let settled =
        plan.steps.is_empty() && ready == desired.nodes.len() && !desired.nodes.is_empty();
    KafkaClusterStatus {
        conditions,
        observed_generation: told.generation,
        cluster_id: step.progress.quorum.cluster_id.map(|id| id.to_string()),
        version: if settled { Some(told.version.to_owned()) } else { before.version.clone() },
        metadata_version: told.metadata_version.or_else(|| before.metadata_version.clone()),
        nodes_ready: Some(format!("{ready}/{}", desired.nodes.len())),
        active_controller: metadata.and_then(|metadata| metadata.quorum.leader).map(|id| id.0),
        listeners: told.listeners,
        nodes: nodes(observed, pools, step),
        plan: planned(plan),
        progress: Some(progress(&step.progress)),
    }
}

/// What failed in the pass that told this.
pub fn failing(status: &KafkaClusterStatus) -> Vec<String> {
    let degraded = status.conditions.of("Degraded");
    let failing = degraded.filter(|condition| condition.reason == "Failing");
    failing.map(|condition| condition.message.clone()).into_iter().collect()
}

/// As it is stored.
pub fn progress(progress: &Progress) -> String {
    serde_json::to_string(progress).expect("plain data with text as keys")
}

/// A cluster of which nothing could be touched: the reason, and what is left of the status before.
pub fn refused(
    before: &KafkaClusterStatus,
    generation: Option<i64>,
    reason: &str,
    message: &str,
    now: &Time,
) -> KafkaClusterStatus {
    let mut status = before.clone();
    status.observed_generation = generation;
    // Nobody looked at how it is; a condition that is absent is unknown.
    status.conditions.retain(|condition| condition.type_ != "Degraded");
    let mut set = |kind: &str, value: bool, reason: &str, message: &str| {
        status.conditions.set(kind, value, reason, message, generation, now.clone());
    };
    set("Ready", false, reason, message);
    set("Progressing", false, reason, "nothing is touched");
    status
}

fn conditions(told: &Told<'_>, before: &[Condition], now: &Time) -> Vec<Condition> {
    let mut conditions = before.to_vec();
    let mut set = |kind: &str, (value, reason, message): (bool, &str, String)| {
        let generation = told.generation;
        conditions.set(kind, value, reason, &message, generation, now.clone());
    };
    set("Ready", ready(told));
    set("Progressing", progressing(told));
    set("Degraded", degraded(told));
    conditions
}

/// Clients can be served: every node is ready and the quorum is led.
fn ready(told: &Told<'_>) -> (bool, &'static str, String) {
    let Told { observed, desired, step, .. } = told;
    let waiting: Vec<String> = desired
        .nodes
        .keys()
        .filter(|id| !observed.is_ready(**id))
        .map(|id| format!("{id} ({})", state(observed, *id)))
        .collect();
    if let Some(problem) = step.problems.first() {
        return (false, "NeedsAttention", problem.to_string());
    }
    if !waiting.is_empty() {
        let ready = desired.nodes.len() - waiting.len();
        let all = desired.nodes.len();
        let message = format!("{ready} of {all} nodes are ready; not yet: {}", waiting.join(", "));
        return (false, "NodesNotReady", message);
    }
    if observed.led_quorum().is_none() {
        return (false, "NoActiveController", "no controller leads the metadata quorum".to_owned());
    }
    (true, "Ready", format!("{} nodes are ready", desired.nodes.len()))
}

/// Something is being changed.
fn progressing(told: &Told<'_>) -> (bool, &'static str, String) {
    let Told { observed, desired, step, plan, .. } = told;
    if let Some(stopped) = &step.stopped {
        let message = format!(
            "stopped at node {}: {}; no other node is touched until it is back or the spec changes",
            stopped.node, stopped.why
        );
        return (false, "RollStopped", message);
    }
    let rolling: Vec<String> =
        step.progress.roller.in_flight.keys().map(ToString::to_string).collect();
    if !rolling.is_empty() {
        let left = plan.steps.iter().map(|step| step.restarts.len()).sum::<usize>();
        let message = format!("node {} restarts; {left} to go", rolling.join(", "));
        return (true, "Rolling", message);
    }
    if let Some(wait) = step.waits.first() {
        let why: Vec<String> = wait.obstacles.iter().map(ToString::to_string).collect();
        let message = format!("the restart of node {} waits for {}", wait.node, why.join(", "));
        return (true, "RestartsWait", message);
    }
    if let Some(refusal) = &step.refused {
        return (false, "CannotDrain", refusal.to_string());
    }
    let leaving: Vec<String> = observed
        .nodes
        .keys()
        .filter(|id| !desired.nodes.contains_key(id))
        .map(ToString::to_string)
        .collect();
    if !leaving.is_empty() {
        return (true, "Leaving", format!("node {} leaves once it is empty", leaving.join(", ")));
    }
    if observed.partitions().iter().any(crate::model::Partition::is_moving) {
        return (true, "MovingReplicas", "replicas are on the move".to_owned());
    }
    if let Some(node) = observed.joining(desired).first() {
        return (true, "Joining", format!("controller {node} does not vote yet"));
    }
    let starting = |id: &&NodeId| {
        let node = observed.nodes.get(id);
        node.is_none_or(|node| !matches!(node.pod.state, PodState::Ready | PodState::Stuck { .. }))
    };
    if let Some(node) = desired.nodes.keys().find(starting) {
        return (true, "Starting", format!("node {node} is {}", state(observed, *node)));
    }
    (false, "UpToDate", "everything is as it was asked for".to_owned())
}

/// Something is not as it should be, although clients may be served.
fn degraded(told: &Told<'_>) -> (bool, &'static str, String) {
    if told.observed.metadata.is_none() {
        let silent = "Kafka does not answer, or not yet".to_owned();
        // Perhaps they say why.
        let why = told.failures.iter().chain(&told.warnings).cloned();
        let all: Vec<String> = std::iter::once(silent).chain(why).collect();
        return (true, "Unreachable", all.join("; "));
    }
    let behind = told.observed.partitions().iter().filter(|p| p.isr.len() < p.replicas.len());
    let behind = behind.filter(|p| !p.is_moving()).count();
    if !told.failures.is_empty() {
        return (true, "Failing", told.failures.join("; "));
    }
    if !told.warnings.is_empty() {
        return (true, "Warning", told.warnings.join("; "));
    }
    if behind > 0 {
        let message = format!("{behind} partitions have replicas that are not in sync");
        return (true, "UnderReplicated", message);
    }
    (false, "AllWell", "no partition is under-replicated".to_owned())
}

fn nodes(
    observed: &Observed,
    pools: &BTreeMap<NodeId, String>,
    step: &Step,
) -> BTreeMap<String, NodeStatus> {
    let one = |(id, node): (&NodeId, &crate::model::Node)| {
        let wait = step.waits.iter().find(|wait| wait.node == *id);
        let waits_for = wait.map(|wait| {
            let obstacles: Vec<String> = wait.obstacles.iter().map(ToString::to_string).collect();
            format!("to restart, for {}", obstacles.join(", "))
        });
        let directory_id = match node.disk {
            Disk::Formatted(directory) => Some(directory.to_string()),
            Disk::Unknown | Disk::Empty => None,
        };
        let status = NodeStatus {
            pool: pools.get(id).cloned().unwrap_or_default(),
            state: state(observed, *id),
            rack: node.rack.clone(),
            directory_id,
            waits_for,
        };
        (id.to_string(), status)
    };
    observed.nodes.iter().map(one).collect()
}

fn state(observed: &Observed, id: NodeId) -> String {
    match observed.nodes.get(&id).map(|node| &node.pod.state) {
        None | Some(PodState::Missing) => "no pod yet".to_owned(),
        Some(PodState::Starting) => "starting".to_owned(),
        Some(PodState::Recovering { logs_left }) => format!("recovering, {logs_left} logs left"),
        Some(PodState::Ready) => "ready".to_owned(),
        Some(PodState::Unresponsive) => "does not answer".to_owned(),
        Some(PodState::Stuck { why }) => format!("stuck: {why}"),
        Some(PodState::Terminating) => "stopping".to_owned(),
    }
}

fn planned(plan: &Plan) -> Option<PlanStatus> {
    if plan.steps.is_empty() && plan.alterations.is_empty() && plan.stopped.is_none() {
        return None;
    }
    let mut restarts = Vec::new();
    for (number, step) in (1..).zip(&plan.steps) {
        for (node, reasons) in &step.restarts {
            restarts.push(PlannedRestart {
                step: number,
                node: node.0,
                reasons: reasons.iter().map(ToString::to_string).collect(),
                waits_for: step.waits_for.iter().map(ToString::to_string).collect(),
            });
        }
    }
    let alterations = plan.alterations.iter().map(|(id, keys)| (id.to_string(), keys.clone()));
    let stopped = plan.stopped.as_ref().map(|s| format!("node {}: {}", s.node, s.why));
    Some(PlanStatus {
        fingerprint: plan.fingerprint.to_string(),
        restarts,
        alterations: alterations.collect(),
        stopped,
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn cluster_that_is_not_looked_at_is_not_said_to_be_well() {
        let now = || Time(Timestamp::UNIX_EPOCH);
        let mut before = KafkaClusterStatus::default();
        before.conditions.set("Degraded", false, "AllWell", "", Some(1), now());
        let status = refused(&before, Some(2), "Paused", "spec.paused is true", &now());
        assert!(status.conditions.of("Degraded").is_none());
        assert_eq!(status.conditions.of("Ready").unwrap().reason, "Paused");
    }
}
