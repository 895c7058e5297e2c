//! What must outlive the process, and what can be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ClusterId, DirectoryId, NodeId};

/// The history of a quorum. Losing it never leads to a second bootstrap: that takes disks that are seen empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Drawn before the first disk is formatted.
    pub cluster_id: Option<ClusterId>,
    /// The first voters; drawn before the first disk is formatted.
    pub initial: BTreeMap<NodeId, DirectoryId>,
    /// A leader was seen. Never false again.
    pub formed: bool,
    /// The disk each controller was last seen with.
    pub disks: BTreeMap<NodeId, DirectoryId>,
    /// Disks that were replaced. A few bytes for each disk that was ever lost.
    pub retired: BTreeSet<DirectoryId>,
}

/// Something only a person can put right. Nothing is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Problem {
    /// The spec asks for no controller at all.
    NoControllers,
    /// The spec asks for an even number of controllers.
    EvenControllers(usize),
    /// This node's disk has an id that another disk had before: it was copied, or restored from a copy.
    DirectoryReused(NodeId, DirectoryId),
    /// This node's disk belongs to another cluster, or was formatted by somebody else.
    ForeignDisk(NodeId, DirectoryId),
    /// So many controllers lost their disks that the others can no longer agree.
    QuorumLost {
        /// Controllers whose disk is empty.
        empty: Vec<NodeId>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoControllers => {
                f.write_str("no node has the role controller: give it to 1, 3 or 5")
            }
            Self::EvenControllers(count) => write!(
                f,
                "{count} controllers survive no more failures than {}: ask for {} or {}",
                count - 1,
                count - 1,
                count + 1
            ),
            Self::DirectoryReused(node, directory) => write!(
                f,
                "the disk of node {node} has the id {directory} of a disk that was replaced; a copied disk would vote twice: \
                 give the node an empty disk"
            ),
            Self::ForeignDisk(node, directory) => write!(
                f,
                "the disk of node {node} was formatted elsewhere (id {directory}): give the node an empty disk"
            ),
            Self::QuorumLost { empty } => {
                let empty: Vec<String> = empty.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the disks of controllers {} are empty and the others are no majority: bring the disks back, or restore \
                     the cluster's metadata from a backup",
                    empty.join(", ")
                )
            }
        }
    }
}
