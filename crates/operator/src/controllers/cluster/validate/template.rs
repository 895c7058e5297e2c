//! What is added to pods.

use klamm_crd::PodTemplate;

use super::Findings;

const OWN_LABELS: [&str; 4] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/part-of",
];

pub(super) fn check(pool: &str, template: &PodTemplate, found: &mut Findings) {
    const REMEDY: &str = "the operator counts on its own: leave it out";
    let own = |key: &str| key.starts_with("klamm.dev/") || OWN_LABELS.contains(&key);
    for key in template.labels.keys().filter(|key| own(key)) {
        found.pool(pool, format!("spec.template.labels[{key:?}]"), "is the operator's", REMEDY);
    }
    for key in template.annotations.keys().filter(|key| key.starts_with("klamm.dev/")) {
        found.pool(
            pool,
            format!("spec.template.annotations[{key:?}]"),
            "is the operator's",
            REMEDY,
        );
    }
    if template.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        let field = "spec.template.terminationGracePeriodSeconds";
        found.pool(pool, field, "is negative", "set 120 or more, or leave it out");
    }
}
