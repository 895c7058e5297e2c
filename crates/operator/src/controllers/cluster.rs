//! KafkaCluster and its KafkaNodePools: from what somebody wrote to what Kubernetes is to have.
//!
//! ```text
//!   Dereferenced --validate--> Validated --build--> Manifests --keep_or_replace--> what is applied
//!                    |                                                |
//!                    v                                                v
//!               [Invalid]                              setup::desired --> step::Spec
//! ```
//!
//! Everything here is pure: the same objects, the same answer.

pub mod build;
pub mod claims;
pub mod dereferenced;
pub mod ids;
pub mod names;
pub mod quantity;
pub mod setup;
#[cfg(test)]
mod testing;
pub mod validate;
pub mod validated;

pub use build::{Manifests, build};
pub use dereferenced::Dereferenced;
pub use ids::Ids;
pub use names::Names;
pub use validate::{Invalid, validate};
pub use validated::{Inputs, NodeSpec, Validated};
