//! How many pods may be evicted at a time: one.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::Validated;
use super::super::names::{LABEL_BROKER, LABEL_CONTROLLER};
use super::metadata;

/// Kubernetes refuses to evict a pod that two budgets select. So brokers and controllers have one each only while no node is both.
pub(super) fn build(validated: &Validated) -> Vec<PodDisruptionBudget> {
    let cluster = &validated.names.cluster;
    if validated.has_combined() {
        return vec![budget(validated, format!("{cluster}-kafka"), None)];
    }
    vec![
        budget(validated, format!("{cluster}-brokers"), Some((LABEL_BROKER, "true"))),
        budget(validated, format!("{cluster}-controllers"), Some((LABEL_CONTROLLER, "true"))),
    ]
}

fn budget(validated: &Validated, name: String, role: Option<(&str, &str)>) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(validated, name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(validated.names.label_selector(role)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
