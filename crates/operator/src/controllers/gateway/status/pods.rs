//! Why a pod does not run.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt as _;

/// As much of a process's last words as a condition takes: it is read in a terminal.
const LAST_WORDS_CHARS: usize = 600;

/// What keeps a pod from running, in the words of whoever knows best: the process, the kubelet, the scheduler.
pub(in super::super) fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let container = status.container_statuses.iter().flatten().find_map(in_container);
    let scheduler = || {
        let condition = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled")?;
        (condition.status == "False").then(|| condition.message.clone().unwrap_or_default())
    };
    let what = container.or_else(scheduler)?;
    Some(format!("pod {}: {what}", pod.name_any()))
}

fn in_container(container: &ContainerStatus) -> Option<String> {
    let now = container.state.as_ref();
    let ended = now.and_then(|state| state.terminated.as_ref()).or_else(|| {
        let before = container.last_state.as_ref()?;
        before.terminated.as_ref().filter(|_| !container.ready)
    });
    let waiting = now.and_then(|state| state.waiting.as_ref()).filter(|waiting| {
        waiting.reason.as_deref().is_some_and(|reason| reason != "ContainerCreating")
    });
    if let Some(words) = ended.filter(|ended| ended.exit_code != 0).and_then(last_words) {
        return Some(words);
    }
    let waiting = waiting?;
    let reason = waiting.reason.clone().unwrap_or_default();
    Some(match &waiting.message {
        Some(message) => format!("{reason}: {message}"),
        None => reason,
    })
}

/// The end of what the process said: it comes from its log.
fn last_words(ended: &ContainerStateTerminated) -> Option<String> {
    let said = ended.message.as_deref().unwrap_or_default().trim();
    if said.is_empty() {
        let reason = ended.reason.as_deref().unwrap_or("ended");
        return Some(format!("{reason} (exit code {})", ended.exit_code));
    }
    let chars = said.chars().count();
    Some(said.chars().skip(chars.saturating_sub(LAST_WORDS_CHARS)).collect())
}
