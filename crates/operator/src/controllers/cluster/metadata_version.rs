//! `metadata.version`: the level of a cluster's metadata, which is raised once everybody knows it and never taken back.

use klamm_kafka::admin::{FeatureUpdate, UpgradeType};

use super::Validated;
use super::look::Seen;
use crate::context::Context;
use crate::roller::Plan;

/// Kafka's names of its levels (`kafka-storage.sh version-mapping`), from the oldest that 4.0 reads.
const LEVELS: &[(i16, &str)] = &[
    (7, "3.3-IV3"),
    (8, "3.4-IV0"),
    (9, "3.5-IV0"),
    (10, "3.5-IV1"),
    (11, "3.5-IV2"),
    (12, "3.6-IV0"),
    (13, "3.6-IV1"),
    (14, "3.6-IV2"),
    (15, "3.7-IV0"),
    (16, "3.7-IV1"),
    (17, "3.7-IV2"),
    (18, "3.7-IV3"),
    (19, "3.7-IV4"),
    (20, "3.8-IV0"),
    (21, "3.9-IV0"),
    (22, "4.0-IV0"),
    (23, "4.0-IV1"),
    (24, "4.0-IV2"),
    (25, "4.0-IV3"),
    (26, "4.1-IV0"),
    (27, "4.1-IV1"),
    (28, "4.2-IV0"),
    (29, "4.2-IV1"),
    (30, "4.3-IV0"),
];

/// A level's name; its number for one that is younger than this program.
pub fn name(level: i16) -> String {
    let known = LEVELS.iter().find(|(known, _)| *known == level);
    known.map_or_else(|| level.to_string(), |(_, name)| (*name).to_owned())
}

/// The level of a name, or of a number.
pub fn level(name: &str) -> Option<i16> {
    let known = LEVELS.iter().find(|(_, known)| *known == name);
    known.map(|(level, _)| *level).or_else(|| name.parse().ok())
}

/// Raises the level to what the spec asks for, once every node runs what it should. Kafka's words if it refuses.
pub async fn raise(
    context: &Context,
    validated: &Validated,
    seen: &Seen,
    plan: &Plan,
) -> Option<String> {
    let wanted = validated.metadata_version.as_deref()?;
    let Some(level) = level(wanted) else {
        return Some(format!(
            "metadata.version {wanted} is not known to this release of the operator: upgrade it, or leave spec.metadataVersion out"
        ));
    };
    let finalized = seen.metadata_version?;
    let rolls = !plan.steps.is_empty();
    let ready = seen.observed.nodes.keys().all(|id| seen.observed.is_ready(*id));
    if finalized >= level || rolls || !ready {
        return None;
    }
    let names = &validated.names;
    let mut admin = context.kafka.admin(&names.namespace, &names.cluster).ok()?;
    // One feature and no other: `--release-version` would raise kraft.version as well (KAFKA-21426).
    let update =
        FeatureUpdate { name: "metadata.version".to_owned(), level, upgrade: UpgradeType::Upgrade };
    match admin.update_features(&[update], false).await {
        Ok(()) => {
            tracing::info!(cluster = names.cluster, metadata_version = wanted, "raised");
            None
        }
        Err(error) => Some(format!("metadata.version {wanted}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_has_a_name_and_a_name_has_a_level() {
        assert_eq!((name(30), level("4.3-IV0")), ("4.3-IV0".to_owned(), Some(30)));
        assert_eq!((name(99), level("99"), level("4.x")), ("99".to_owned(), Some(99), None));
    }
}
