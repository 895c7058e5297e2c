//! The operator: Apache Kafka on Kubernetes, from an empty namespace to a cluster that heals itself; and a broker id that is held.
//!
//! What is to be done is decided by [`klamm_operator_core`], which touches nothing. In here is all that observes and acts: one
//! controller for each custom resource ([`controllers`]), certificates ([`ca`], pure), the connections to agents and to Kafka, and the
//! election of the one process that acts ([`lease`]). [`broker_id`] is the way without Kubernetes' help.
//!
//! The program is `klamm-operator`; as a library this serves its tests.
#![deny(missing_docs)]

pub mod agents;
pub mod apply;
pub mod broker_id;
pub mod ca;
pub mod clock;
pub mod context;
pub mod controllers;
pub mod http;
pub mod kafka;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod packed;
pub mod run;
pub mod scram;
pub mod surroundings;

pub use klamm_operator_core::{drain, model, quorum, roller, step};

#[cfg(test)]
#[path = "../../operator-core/src/simulator/random.rs"]
#[allow(dead_code, reason = "the simulator of the decisions needs more of it")]
mod random;
