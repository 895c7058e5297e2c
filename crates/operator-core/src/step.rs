//! One step of everything: quorum, replicas, restarts, in this order and never against each other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Desired, NodeId, Observed};
use crate::{drain, quorum, roller};

/// What somebody asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The nodes.
    pub desired: Desired,
    /// How they are restarted.
    pub policy: roller::Policy,
    /// How replicas are moved.
    pub limits: drain::Limits,
    /// Brokers with less than their share are given some.
    pub spread: bool,
}

/// All that must outlive the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Of the quorum.
    pub quorum: quorum::Progress,
    /// Of the roll.
    pub roller: roller::Progress,
}

/// What to store, what to do, what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To be stored before anything is done.
    pub progress: Progress,
    /// To be done, in this order.
    pub actions: Vec<Action>,
    /// Restarts that are due and wait.
    pub waits: Vec<roller::Wait>,
    /// The roll stopped.
    pub stopped: Option<roller::Stopped>,
    /// What only a person can put right.
    pub problems: Vec<quorum::Problem>,
    /// Why leaving brokers keep their replicas.
    pub refused: Option<drain::Refusal>,
}

/// Something to do. Doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell a node's agent what it may do.
    Permit(NodeId, quorum::Permit),
    /// Change the voters.
    Quorum(quorum::Action),
    /// Move replicas.
    Drain(drain::Action),
    /// Change or restart a node.
    Roller(roller::Action),
    /// Delete the node's StatefulSet: it has no replica and no vote. Its disk is kept.
    Stop(NodeId),
    /// UnregisterBroker: it is gone for good.
    Unregister(NodeId),
}

/// The next step. `draw` gives random bits; `now_ms` is milliseconds since 1970.
pub fn step(
    observed: &Observed,
    spec: &Spec,
    progress: &Progress,
    draw: &mut dyn FnMut() -> u128,
    now_ms: u64,
) -> Step {
    let desired = &spec.desired;
    let down: BTreeSet<NodeId> = progress.roller.in_flight.keys().copied().collect();
    let situation = quorum::Situation { observed, desired, down: &down, now_ms };
    let quorum = quorum::decide(&situation, &progress.quorum, draw);
    let Spec { limits, spread, policy, .. } = spec;
    let drain = drain::decide(&drain::Situation { observed, desired, limits, spread: *spread });
    let held = &quorum.held;
    let situation = roller::Situation { observed, desired, policy, held, now_ms };
    let roller = roller::decide(&situation, &progress.roller);

    let mut actions: Vec<Action> =
        quorum.permits.into_iter().map(|(node, permit)| Action::Permit(node, permit)).collect();
    actions.extend(quorum.action.map(Action::Quorum));
    actions.extend(drain.actions.into_iter().map(Action::Drain));
    let stopped: BTreeSet<NodeId> = quorum.released.intersection(&drain.empty).copied().collect();
    actions.extend(stopped.iter().map(|node| Action::Stop(*node)));
    actions.extend(gone(observed, desired).map(Action::Unregister));
    let stays = |action: &roller::Action| !stopped.contains(&action.node());
    actions.extend(roller.actions.into_iter().filter(stays).map(Action::Roller));
    Step {
        progress: Progress { quorum: quorum.progress, roller: roller.progress },
        actions,
        waits: roller.waits,
        stopped: roller.stopped,
        problems: quorum.problems,
        refused: drain.refused,
    }
}

/// Every restart that [`step`] is going to ask for if nothing fails, before any is made.
pub fn plan(observed: &Observed, spec: &Spec, progress: &Progress, now_ms: u64) -> roller::Plan {
    let Spec { desired, policy, .. } = spec;
    let down: BTreeSet<NodeId> = progress.roller.in_flight.keys().copied().collect();
    let situation = quorum::Situation { observed, desired, down: &down, now_ms };
    // Ids that are drawn for a quorum that has not formed are not kept, and decide nothing here.
    let mut draws = 0x5eed_u128;
    let mut draw = || {
        draws += 1;
        draws << 64 | draws
    };
    let held = quorum::decide(&situation, &progress.quorum, &mut draw).held;
    let situation = roller::Situation { observed, desired, policy, held: &held, now_ms };
    roller::plan(&situation, &progress.roller)
}

/// Brokers that Kafka still knows and that neither are nor should be, and that no partition names.
fn gone<'a>(observed: &'a Observed, desired: &'a Desired) -> impl Iterator<Item = NodeId> + 'a {
    let led = observed.led_quorum().is_some();
    let registered = observed.metadata.iter().flat_map(|metadata| &metadata.registered);
    registered.copied().filter(move |id| {
        led && !observed.nodes.contains_key(id)
            && !desired.nodes.contains_key(id)
            && observed.partitions().iter().all(|p| !p.replicas.contains(id))
    })
}
