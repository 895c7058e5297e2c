//! Why a node is to be restarted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Policy, Situation, Tried, dynamic};
use crate::model::{Node, PodState, Setup, Wanted};

/// One reason to restart a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Another pod template.
    Revision,
    /// These properties cannot be changed while it runs, or Kafka refused to.
    Config(Vec<String>),
    /// Another certificate or authority that could not be loaded while it runs.
    Certificate,
    /// Other volumes.
    Storage,
    /// Other requests or limits.
    Resources,
    /// Somebody asked for it.
    Manual,
    /// It runs and does not answer.
    Stuck,
    /// Its certificate was over, so it answers nobody.
    CertificateOver,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision => f.write_str("revision"),
            Self::Config(keys) => write!(f, "config ({})", keys.join(", ")),
            Self::Certificate => f.write_str("certificate"),
            Self::Storage => f.write_str("storage"),
            Self::Resources => f.write_str("resources"),
            Self::Manual => f.write_str("asked for"),
            Self::Stuck => f.write_str("does not answer"),
            Self::CertificateOver => f.write_str("its certificate was over"),
        }
    }
}

/// How long Kafka may take to show an altered configuration.
const ALTERED_SETTLE_MS: u64 = 10_000;

/// Why `node` is to be restarted, as far as is known now; nothing if it need not be. A node without a pod needs none: Kubernetes
/// makes the new one from the present template.
pub(super) fn reasons(
    situation: &Situation<'_>,
    node: &Node,
    wanted: &Wanted,
    tried: Option<&Tried>,
) -> Vec<Reason> {
    let Situation { policy, now_ms, .. } = *situation;
    if matches!(node.pod.state, PodState::Missing | PodState::Terminating) {
        return Vec::new();
    }
    let mut reasons = opaque(&node.running, &wanted.setup);
    let live = dynamic::changes(node, wanted);
    let mut keys: Vec<String> = live.fixed;
    let in_vain = cannot_be_altered(node, wanted, tried, policy, now_ms);
    if in_vain {
        keys.extend(live.dynamic.into_keys());
    }
    if live.fixed_certificate || (live.certificate && in_vain) {
        reasons.push(Reason::Certificate);
    }
    if !keys.is_empty() {
        keys.sort();
        reasons.push(Reason::Config(keys));
    }
    if is_silent(situation, node) {
        reasons.push(Reason::Stuck);
    }
    if node.answers_nobody() {
        reasons.push(Reason::CertificateOver);
    }
    reasons
}

/// Does not answer, and not because nobody does: without an active controller a node that works is not ready either.
pub(super) fn is_silent(situation: &Situation<'_>, node: &Node) -> bool {
    let silent_ms = situation.now_ms.saturating_sub(node.pod.since_ms);
    node.pod.state == PodState::Unresponsive
        && silent_ms >= situation.policy.unresponsive_timeout_ms
        && situation.observed.led_quorum().is_some()
}

fn opaque(running: &Setup, wanted: &Setup) -> Vec<Reason> {
    [
        (running.revision != wanted.revision, Reason::Revision),
        (running.storage != wanted.storage, Reason::Storage),
        (running.resources != wanted.resources, Reason::Resources),
        (running.restart != wanted.restart, Reason::Manual),
    ]
    .into_iter()
    .filter_map(|(differs, reason)| differs.then_some(reason))
    .collect()
}

/// Live changes were tried in vain, or the node is in no state to take them.
fn cannot_be_altered(
    node: &Node,
    wanted: &Wanted,
    tried: Option<&Tried>,
    policy: &Policy,
    now_ms: u64,
) -> bool {
    match node.pod.state {
        PodState::Stuck { .. } | PodState::Unresponsive => true,
        PodState::Starting => {
            now_ms.saturating_sub(node.pod.since_ms) >= policy.no_progress_timeout_ms
        }
        _ => tried.is_some_and(|tried| {
            let settled = now_ms.saturating_sub(tried.at_ms) >= ALTERED_SETTLE_MS;
            tried.content == dynamic::content(wanted) && (tried.failed.is_some() || settled)
        }),
    }
}
