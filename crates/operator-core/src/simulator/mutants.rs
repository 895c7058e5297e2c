//! Operators with one thing wrong. Each must be found out, or the simulation proves nothing.

use crate::model::{Disk, Observed, PodState};
use crate::step::{Action, Progress, Spec, Step};
use crate::{quorum, roller};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    None,
    /// Takes every replica for in sync.
    IgnoresIsr,
    /// Takes every voter for in step.
    IgnoresLag,
    /// Takes a pod that is ready for a node that is back.
    ReadinessIsEnough,
    /// Stores no restarts.
    ForgetsRestarts,
    /// Takes log recovery for a pod that hangs.
    KillsRecovery,
    /// Goes on when a node does not come back.
    GoesOn,
    /// Knows no active controller when it chooses.
    IgnoresTheLeader,
    /// Forgets that the quorum formed.
    Rebootstraps,
    /// Starts Kafka on a disk before its id is stored.
    StartsUnasked,
    /// Stops leaving nodes before they are empty.
    StopsEarly,
    /// Never forgives a node that was late.
    GivesUp,
}

impl Mutant {
    /// What it sees.
    pub(super) fn distort(self, observed: &mut Observed, spec: &Spec, progress: &mut Progress) {
        match self {
            Self::IgnoresIsr => {
                for p in observed.metadata.iter_mut().flat_map(|m| &mut m.partitions) {
                    p.isr = p.replicas.clone();
                }
            }
            Self::IgnoresLag => {
                let quorums = observed.metadata.iter_mut().map(|m| &mut m.quorum);
                for replica in quorums.flat_map(|q| q.voters.iter_mut().chain(&mut q.observers)) {
                    replica.lag_ms = 0;
                }
            }
            Self::ReadinessIsEnough => {
                let ready = |id| observed.is_ready(id);
                progress
                    .roller
                    .in_flight
                    .retain(|id, restart| !ready(*id) || observed.nodes[id].pod.uid == restart.pod);
            }
            Self::KillsRecovery => {
                for node in observed.nodes.values_mut() {
                    if matches!(node.pod.state, PodState::Recovering { .. }) {
                        node.pod.state = PodState::Starting;
                        node.pod.since_ms = 0;
                    }
                }
            }
            Self::GoesOn => {
                for (id, node) in &mut observed.nodes {
                    let wanted = spec.desired.nodes.get(id);
                    let current = wanted.is_some_and(|wanted| wanted.setup == node.running);
                    if matches!(node.pod.state, PodState::Stuck { .. }) && current {
                        node.pod.state = PodState::Starting;
                        progress.roller.in_flight.remove(id);
                    }
                }
            }
            Self::Rebootstraps => {
                let all_empty = observed.nodes.values().any(|node| node.disk == Disk::Empty);
                if all_empty {
                    progress.quorum.formed = false;
                    progress.quorum.disks.clear();
                    observed.metadata = None;
                }
            }
            _ => {}
        }
    }

    /// What it does.
    pub(super) fn pervert(self, step: &mut Step, observed: &Observed, spec: &Spec) {
        match self {
            Self::ForgetsRestarts => step.progress.roller.in_flight.clear(),
            Self::IgnoresTheLeader => {
                // The first that waits for its turn only because it leads.
                let last = [roller::Obstacle::ActiveControllerLast];
                let wait = step.waits.iter().find(|wait| wait.obstacles == last);
                step.actions.extend(wait.map(|wait| {
                    let (node, reasons) = (wait.node, wait.reasons.clone());
                    let pod = observed.nodes[&node].pod.uid.clone();
                    Action::Roller(roller::Action::Restart { node, pod, reasons })
                }));
            }
            Self::StartsUnasked => {
                for action in &mut step.actions {
                    if let Action::Permit(id, permit) = action
                        && matches!(observed.nodes[id].disk, Disk::Formatted(_))
                    {
                        *permit = quorum::Permit::Start;
                        step.progress.quorum.disks.remove(id);
                    }
                }
            }
            Self::StopsEarly => {
                let leaving =
                    observed.nodes.keys().filter(|id| !spec.desired.nodes.contains_key(id));
                step.actions.extend(leaving.map(|id| Action::Stop(*id)));
            }
            Self::GivesUp if step.stopped.is_some() => {
                step.actions.clear();
                // For good: it takes any node that was late for lost.
                step.progress.roller.in_flight.insert(crate::model::NodeId(0), lost());
            }
            _ => {}
        }
    }
}

fn lost() -> roller::Restart {
    let json = r#"{"pod":"","again":false,"reasons":[],"since_ms":0,"moved_ms":0,"nearest":[0,0]}"#;
    serde_json::from_str(json).expect("a restart")
}
