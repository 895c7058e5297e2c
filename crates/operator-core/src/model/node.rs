//! A node: its roles, its pod, its disk.

use serde::{Deserialize, Serialize};

use super::{DirectoryId, Setup};

/// A node as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub roles: Roles,
    /// Its failure domain.
    pub rack: Option<String>,
    /// Its pod.
    pub pod: Pod,
    /// What the pod runs; with configurations altered since it started.
    pub running: Setup,
    /// The disk of its metadata log, as its agent reports it.
    pub disk: Disk,
    /// Its process runs with a certificate that was over before it loaded another one. Connections that it has may go on; nobody accepts a new
    /// one, and none of its own is accepted.
    #[serde(default)]
    pub is_cut_off: bool,
}

impl Node {
    /// It is cut off, and nothing is left of the connections that it had: only a restart helps, and takes nothing from anybody.
    pub fn answers_nobody(&self) -> bool {
        self.is_cut_off && self.pod.state == PodState::Unresponsive
    }
}

/// `process.roles`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Roles {
    /// Keeps partitions and serves clients.
    pub broker: bool,
    /// Votes in the metadata quorum.
    pub controller: bool,
}

impl Roles {
    /// A broker and nothing else.
    pub const BROKER: Self = Self { broker: true, controller: false };
    /// A controller and nothing else.
    pub const CONTROLLER: Self = Self { broker: false, controller: true };
    /// Both in one process.
    pub const COMBINED: Self = Self { broker: true, controller: true };
}

/// A node's pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Kubernetes' `metadata.uid`; another pod of the same name has another one. Empty while there is none.
    pub uid: String,
    /// What it does now.
    pub state: PodState,
    /// Since when, in milliseconds of the decisions' clock.
    pub since_ms: u64,
}

/// What a pod does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodState {
    /// There is none; Kubernetes will make one.
    #[default]
    Missing,
    /// Its process runs and was never ready since it started.
    Starting,
    /// The broker reads its logs after a hard stop, which may take hours and starts again from the beginning if
    /// it is killed.
    Recovering {
        /// `remainingLogsToRecover`.
        logs_left: u64,
    },
    /// A broker is registered and not fenced; a controller knows its quorum's leader.
    Ready,
    /// Was ready and is not any more, although its process runs: it does not answer, is fenced, or knows no active
    /// controller.
    Unresponsive,
    /// Does not run, and will not by itself: a crash loop, an image that cannot be pulled, no place for it.
    Stuck {
        /// In Kubernetes' words.
        why: String,
    },
    /// Is being stopped.
    Terminating,
}

/// The disk of a node's metadata log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disk {
    /// The agent has not said.
    #[default]
    Unknown,
    /// Mounted, and not formatted.
    Empty,
    /// Formatted.
    Formatted(DirectoryId),
}
