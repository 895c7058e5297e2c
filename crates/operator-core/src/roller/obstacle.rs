//! Why a node is not restarted yet.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Fingerprint, NodeId};

/// What a restart waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// Another node was restarted and is not in step yet.
    InFlight(NodeId),
    /// The roll has stopped.
    Stopped(NodeId),
    /// Without the node, a partition would have fewer replicas in sync than it must.
    MinIsr {
        /// As `kafka-topics.sh` names it.
        partition: String,
        /// How many others are in sync.
        others: usize,
        /// The topic's `min.insync.replicas`.
        min_isr: usize,
    },
    /// Without the node, too few voters would be in step.
    Quorum {
        /// How many others are in step.
        others: usize,
        /// How many it takes.
        majority: usize,
    },
    /// Nobody leads the metadata quorum, so that nothing is known for sure.
    NoLeader,
    /// The quorum's voters are being changed.
    QuorumChange,
    /// The broker reads its logs.
    LogRecovery {
        /// Logs still to be read.
        logs_left: u64,
    },
    /// It was restarted with an older spec and is about to be in step.
    CatchingUp,
    /// Controllers are restarted before brokers.
    ControllersFirst,
    /// The active controller is restarted after the other controllers.
    ActiveControllerLast,
    /// No maintenance window is open.
    WindowClosed,
    /// Nobody approved the plan with this fingerprint.
    NotApproved(Fingerprint),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight(node) => write!(f, "node {node} to be in step again"),
            Self::Stopped(node) => write!(f, "node {node}, which did not come back"),
            Self::MinIsr { partition, others, min_isr } => write!(
                f,
                "{partition} to have {min_isr} replicas in sync without the node (now {others})"
            ),
            Self::Quorum { others, majority } => {
                write!(f, "{majority} controllers in step without the node (now {others})")
            }
            Self::NoLeader => f.write_str("an active controller"),
            Self::QuorumChange => f.write_str("the change of controllers to be through"),
            Self::LogRecovery { logs_left } => write!(f, "its log recovery ({logs_left} left)"),
            Self::CatchingUp => f.write_str("it to be in step after its last restart"),
            Self::ControllersFirst => f.write_str("the controllers, which go first"),
            Self::ActiveControllerLast => f.write_str("the other controllers, which go first"),
            Self::WindowClosed => f.write_str("a maintenance window"),
            Self::NotApproved(plan) => write!(f, "plan {plan} to be approved"),
        }
    }
}

/// A node did not come back with the present setup: no other is touched. Lasts until the node is back, or the spec
/// is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The node.
    pub node: NodeId,
    /// What is known.
    pub why: String,
    /// Its pod cannot run, which it would tell of any other too. Otherwise it is late, and may need nodes that are down
    /// as well.
    pub cannot_run: bool,
}
