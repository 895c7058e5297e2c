//! What a pod does, from what Kubernetes says of it and what its agent says.
//!
//! The agent knows best what Java does. Kubernetes knows best when there is no agent: before it runs, when it cannot run, and when
//! its machine is gone.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use klamm_agent::protocol::{self, Phase, State};

use crate::model::{self, Disk, PodState};

/// A pod that finds no machine for so long is stuck; before that a machine may be about to come.
const UNSCHEDULABLE_MS: u64 = 30_000;

/// Reasons of a waiting container that do not go away by waiting.
const STUCK: &[&str] = &[
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// The pod as the decisions see it. `agent` is what its agent said, if it said anything.
pub fn observed(pod: Option<&Pod>, agent: Option<&State>, now_ms: u64) -> model::Pod {
    let Some(pod) = pod else {
        return model::Pod { since_ms: now_ms, ..model::Pod::default() };
    };
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let (state, since_ms) = state(pod, agent, now_ms);
    model::Pod { uid, state, since_ms }
}

fn state(pod: &Pod, agent: Option<&State>, now_ms: u64) -> (PodState, u64) {
    if let Some(since) = &pod.metadata.deletion_timestamp {
        return (PodState::Terminating, unix_ms(since));
    }
    let created_ms = pod.metadata.creation_timestamp.as_ref().map_or(now_ms, unix_ms);
    if matches!(phase(pod), "Failed" | "Succeeded") {
        // The StatefulSet replaces it by itself.
        return (PodState::Terminating, created_ms);
    }
    if let Some(why) = stuck(pod, now_ms) {
        return (PodState::Stuck { why }, created_ms);
    }
    match agent {
        Some(agent) => (by_agent(&agent.phase), agent.phase_since_ms),
        None => silent(pod, created_ms),
    }
}

fn by_agent(phase: &Phase) -> PodState {
    match phase {
        Phase::Waiting { .. } | Phase::Formatting | Phase::Starting => PodState::Starting,
        Phase::Recovering { logs_left } => PodState::Recovering { logs_left: *logs_left },
        Phase::Ready => PodState::Ready,
        Phase::Unresponsive => PodState::Unresponsive,
        Phase::Failed { why } => PodState::Stuck { why: why.clone() },
        Phase::Stopping => PodState::Terminating,
    }
}

/// The agent does not answer. It may be that only we do not reach it: then the kubelet's probe still says that the node is ready.
fn silent(pod: &Pod, created_ms: u64) -> (PodState, u64) {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    let since = ready.and_then(|condition| condition.last_transition_time.as_ref());
    let since_ms = since.map_or(created_ms, unix_ms);
    match ready.map(|condition| condition.status.as_str()) {
        Some("True") => (PodState::Ready, since_ms),
        // A pod is not ready from the start; a later time means that it was.
        _ if since_ms > started_ms(pod).unwrap_or(u64::MAX) => (PodState::Unresponsive, since_ms),
        _ => (PodState::Starting, created_ms),
    }
}

/// When its container last started.
fn started_ms(pod: &Pod) -> Option<u64> {
    let running = kafka(pod)?.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(unix_ms)
}

fn stuck(pod: &Pod, now_ms: u64) -> Option<String> {
    let status = pod.status.as_ref()?;
    let scheduled = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled");
    if let Some(condition) = scheduled.filter(|c| c.status == "False") {
        let since_ms = condition.last_transition_time.as_ref().map_or(now_ms, unix_ms);
        let late = now_ms.saturating_sub(since_ms) >= UNSCHEDULABLE_MS;
        return late.then(|| words(condition.reason.as_deref(), condition.message.as_deref()));
    }
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    all.filter_map(|container| container.state.as_ref().and_then(waiting_for_ever)).next()
}

fn waiting_for_ever(state: &ContainerState) -> Option<String> {
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    STUCK.contains(&reason).then(|| words(Some(reason), waiting.message.as_deref()))
}

fn words(reason: Option<&str>, message: Option<&str>) -> String {
    match (reason, message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(word), None) | (None, Some(word)) => word.to_owned(),
        (None, None) => "Kubernetes gives no reason".to_owned(),
    }
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The container that runs Kafka.
pub fn kafka(pod: &Pod) -> Option<&ContainerStatus> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.iter().find(|container| container.name == "kafka")
}

/// The disk of the metadata log, as the agent reports it.
pub fn disk(agent: Option<&State>) -> Disk {
    match agent.map(|agent| &agent.disk) {
        None | Some(protocol::Disk::Unknown) => Disk::Unknown,
        Some(protocol::Disk::Empty) => Disk::Empty,
        Some(protocol::Disk::Formatted(formatted)) => {
            formatted.directory_id.parse().map_or(Disk::Unknown, Disk::Formatted)
        }
    }
}

fn unix_ms(time: &Time) -> u64 {
    u64::try_from(time.0.as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "c-p-0-0", "uid": "u", "creationTimestamp": "2026-11-25T00:00:00Z"},
            "status": status,
        }))
        .unwrap()
    }

    const CREATED_MS: u64 = 1_795_564_800_000;

    fn agent(phase: Phase) -> State {
        let disk = protocol::Disk::Empty;
        let certificate = protocol::Certificate::default();
        State {
            protocol: 1,
            node_id: 0,
            phase,
            phase_since_ms: CREATED_MS + 5,
            disk,
            certificate,
            listeners: protocol::Certificate::default(),
            volumes: Vec::new(),
            rack: None,
            kafka: None,
            said: None,
        }
    }

    fn see(status: &serde_json::Value, agent: Option<&State>, later_ms: u64) -> (PodState, u64) {
        let pod = observed(Some(&pod(status)), agent, CREATED_MS + later_ms);
        (pod.state, pod.since_ms - CREATED_MS)
    }

    #[test]
    fn no_pod_is_missing() {
        assert_eq!(observed(None, None, 7).state, PodState::Missing);
    }

    #[test]
    fn agent_says_what_java_does_and_since_when() {
        let running = json!({"phase": "Running"});
        assert_eq!(see(&running, Some(&agent(Phase::Ready)), 9), (PodState::Ready, 5));
        let recovering = agent(Phase::Recovering { logs_left: 3 });
        assert_eq!(see(&running, Some(&recovering), 9).0, PodState::Recovering { logs_left: 3 });
    }

    #[test]
    fn pod_being_deleted_is_terminating_whatever_its_agent_says() {
        let mut pod = pod(&json!({"phase": "Running"}));
        pod.metadata.deletion_timestamp = pod.metadata.creation_timestamp.clone();
        let seen = observed(Some(&pod), Some(&agent(Phase::Ready)), CREATED_MS);
        assert_eq!(seen.state, PodState::Terminating);
    }

    #[test]
    fn image_that_cannot_be_pulled_is_stuck_in_kubernetes_words() {
        let status = json!({"phase": "Pending", "containerStatuses": [{
            "name": "kafka", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
        }]});
        let why = "ImagePullBackOff: no such image".to_owned();
        assert_eq!(see(&status, None, 0).0, PodState::Stuck { why });
    }

    #[test]
    fn pod_without_a_machine_is_stuck_after_a_while() {
        let status = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes",
            "lastTransitionTime": "2026-11-25T00:00:00Z",
        }]});
        assert_eq!(see(&status, None, UNSCHEDULABLE_MS - 1).0, PodState::Starting);
        let why = "Unschedulable: 0/3 nodes".to_owned();
        assert_eq!(see(&status, None, UNSCHEDULABLE_MS).0, PodState::Stuck { why });
    }

    #[test]
    fn agent_out_of_reach_is_not_taken_for_a_dead_node_while_the_probe_succeeds() {
        let status = |ready: &str, at: &str| {
            json!({"phase": "Running",
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": at}],
            "containerStatuses": [{
                "name": "kafka", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-11-25T00:00:01Z"}},
            }]})
        };
        let at = "2026-11-25T00:00:10Z";
        assert_eq!(see(&status("True", at), None, 60_000), (PodState::Ready, 10_000));
        assert_eq!(see(&status("False", at), None, 60_000), (PodState::Unresponsive, 10_000));
        let from_the_start = "2026-11-25T00:00:00Z";
        assert_eq!(see(&status("False", from_the_start), None, 60_000).0, PodState::Starting);
    }
}
