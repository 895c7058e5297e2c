//! PersistentVolumeClaims: Kubernetes makes them, the operator lets them grow.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use super::{Validated, quantity};

/// Annotation of a claim: the size that was last declared for it. A claim that is larger was made to grow by somebody else, which
/// is fine; a declaration that becomes smaller is not.
pub const SIZE: &str = "klamm.dev/size";

/// A claim that is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// Its name.
    pub claim: String,
    /// The declared size.
    pub declared: Quantity,
    /// It has to grow to that.
    pub grows: bool,
}

impl Growth {
    /// As a JSON merge patch.
    pub fn patch(&self) -> Value {
        let mut patch = json!({ "metadata": { "annotations": { SIZE: self.declared.0 } } });
        if self.grows {
            patch["spec"] = json!({ "resources": { "requests": { "storage": self.declared.0 } } });
        }
        patch
    }
}

/// Claims of nodes that stay whose declared size is another one than it was.
pub fn growths(validated: &Validated, claims: &[PersistentVolumeClaim]) -> Vec<Growth> {
    let claim =
        |name: &str| claims.iter().find(|claim| claim.metadata.name.as_deref() == Some(name));
    let mut found = Vec::new();
    for (id, node) in &validated.nodes {
        for (volume, size) in &node.sizes {
            let name = validated.names.claim(*volume, &node.inputs.pool, *id);
            let Some(claim) = claim(&name) else { continue };
            let (is, should) = (requested(claim).and_then(quantity::whole), quantity::whole(size));
            let grows = is.zip(should).is_some_and(|(is, should)| is < should);
            if grows || annotated(claim) != Some(size.clone()) {
                found.push(Growth { claim: name, declared: size.clone(), grows });
            }
        }
    }
    found
}

/// What was last declared for a claim; what it has if the operator never said.
pub(super) fn declared(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    annotated(claim).or_else(|| requested(claim).cloned())
}

fn annotated(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    claim.metadata.annotations.as_ref()?.get(SIZE).cloned().map(Quantity)
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")
}
