//! The operator's core: what to do with an Apache Kafka cluster, decided without touching one; and a broker id that is held.
//!
//! [`step::step`] looks at a cluster as it is ([`model::Observed`]) and as it should be ([`step::Spec`]), and says what to store,
//! what to do and what to tell. It is made of [`quorum`], [`drain`] and [`roller`], which can be used alone.
//! [`step::plan`] says which nodes are going to be restarted, why, in which order, and what each waits for.
//!
//! ```
//! use klamm_operator::model::{Metadata, Node, NodeId, Observed, PodState, Roles, Wanted};
//! use klamm_operator::step::{Progress, Spec, plan, step};
//!
//! let mut node = Node { roles: Roles::COMBINED, ..Node::default() };
//! node.pod.state = PodState::Ready;
//! let mut metadata = Metadata::default();
//! metadata.quorum.leader = Some(NodeId(0));
//! let observed = Observed { nodes: [(NodeId(0), node)].into(), metadata: Some(metadata) };
//!
//! let mut wanted = Wanted { roles: Roles::COMBINED, ..Wanted::default() };
//! wanted.setup.revision = "kafka-4.3.0".into();
//! let mut spec = Spec::default();
//! spec.desired.nodes.insert(NodeId(0), wanted);
//!
//! let progress = Progress::default();
//! let plan = plan(&observed, &spec, &progress, 0);
//! assert!(plan.to_string().contains("1. restart node 0: revision"));
//! let step = step(&observed, &spec, &progress, &mut || 7, 0);
//! // Store step.progress, then do step.actions, then observe anew.
//! assert!(!step.actions.is_empty());
//! ```
//!
//! [`ca::renew`] does the same for certificates: which Secrets to write so that no connection breaks. [`scram`] makes passwords.
//!
//! # Guarantees
//! - Pure: same inputs, same answer. The clock and random bits are arguments.
//! - May be killed between any two steps; [`step::Progress`] is all that must be kept, and losing it loses no quorum.
//! - By our hand no partition falls below `min.insync.replicas` (unless it has no replica to spare), no quorum loses its majority,
//!   no log recovery is killed, no quorum is bootstrapped twice.
//!
//! # Non-goals
//! No Kubernetes, no Kafka, no IO, except in [`broker_id`], which is files and locks.
#![deny(missing_docs)]

pub mod broker_id;
pub mod ca;
pub mod context;
pub mod controllers;
pub mod drain;
pub mod kafka;
pub mod model;
pub mod quorum;
pub mod roller;
pub mod scram;
pub mod step;

#[cfg(test)]
mod simulator;
#[cfg(test)]
mod testing;
