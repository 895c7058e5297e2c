//! KafkaCluster and its KafkaNodePools: from what somebody wrote to what Kubernetes is to have.
//!
//! ```text
//!   Dereferenced --validate--> Validated --build--> Manifests --keep_or_replace--> what is applied
//!                    |                                                |
//!                    v                                                v
//!               [Invalid]                              setup::desired --> step::Spec
//! ```
//!
//! All of the above is pure: the same objects, the same answer. `reconcile` draws the loop around it.

pub mod act;
pub mod build;
pub mod certificates;
pub mod claims;
pub mod dereference;
pub mod dereferenced;
pub mod ids;
pub mod issuers;
pub mod look;
pub mod metadata_version;
pub mod names;
pub mod node;
pub mod quantity;
pub mod racks;
pub mod reconcile;
mod run;
pub mod setup;
pub mod status;
pub mod strangers;
#[cfg(test)]
mod testing;
mod users;
pub mod validate;
pub mod validated;
pub mod write;

pub use build::{Manifests, build};
pub use dereferenced::Dereferenced;
pub use ids::Ids;
pub use names::Names;
pub use run::run;
pub use validate::{Invalid, validate};
pub use validated::{Inputs, NodeSpec, Validated};

use klamm_crd::ListenerStatus;

/// Where clients connect.
pub fn listeners(validated: &Validated) -> Vec<ListenerStatus> {
    let host = validated.names.bootstrap_host();
    let one = |listener: &klamm_crd::Listener| {
        let by_cluster = listener.has_cluster_certificate();
        ListenerStatus {
            name: listener.name.clone(),
            bootstrap_servers: format!("{host}:{}", listener.port),
            trust_secret: by_cluster.then(|| certificates::trust(&validated.names)),
        }
    };
    validated.listeners.iter().map(one).collect()
}
