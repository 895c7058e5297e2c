//! Kafka's version, and the metadata version that keeps it from going back.

use super::super::Dereferenced;
use super::Findings;

/// Before it, controllers could be formatted for a quorum that cannot change (KAFKA-19719).
const VERSION_MIN: (u32, u32, u32) = (4, 2, 0);

pub(super) fn check(input: &Dereferenced, found: &mut Findings) {
    let spec = &input.cluster.spec;
    if let Some(image) = &spec.image
        && (image.is_empty() || image.contains(char::is_whitespace))
    {
        found.cluster("spec.image", "is no image", "write it as registry/repository:tag");
    }
    let Some(version) = parse(&spec.version) else {
        let wrong = format!("is {:?}, which is no version of Kafka", spec.version);
        return found.cluster("spec.version", wrong, "write three numbers, such as 4.3.0");
    };
    if version < VERSION_MIN {
        let wrong = format!("is {}, and quorums that can change need 4.2.0", spec.version);
        return found.cluster("spec.version", wrong, "set 4.2.0 or later");
    }
    let finalized = input.cluster.status.as_ref().and_then(|s| s.metadata_version.as_deref());
    if let Some(finalized) = finalized
        && let Some(level) = parse_metadata(finalized)
        && (version.0, version.1) < (level.0, level.1)
    {
        let wrong = format!("is {}, and the metadata is already of {finalized}", spec.version);
        let remedy = format!("Kafka cannot go back: set {}.{}.0 or later", level.0, level.1);
        found.cluster("spec.version", wrong, remedy);
    }
    if let Some(wanted) = &spec.metadata_version {
        check_metadata(wanted, (version.0, version.1), finalized, found);
    }
}

fn check_metadata(
    wanted: &str,
    version: (u32, u32),
    finalized: Option<&str>,
    found: &mut Findings,
) {
    const FIELD: &str = "spec.metadataVersion";
    let Some(level) = parse_metadata(wanted) else {
        let wrong = format!("is {wanted:?}, which is no metadata version");
        return found.cluster(FIELD, wrong, "write it as Kafka does, such as 4.3-IV0");
    };
    if (level.0, level.1) > version {
        let wrong = format!("is {wanted}, which Kafka {}.{} does not know", version.0, version.1);
        found.cluster(FIELD, wrong, "raise spec.version first, or leave it out");
    }
    if let Some(finalized) = finalized
        && parse_metadata(finalized).is_some_and(|finalized| level < finalized)
    {
        let wrong = format!("is {wanted}, and the cluster is already at {finalized}");
        found.cluster(
            FIELD,
            wrong,
            format!("it cannot be taken back: set {finalized}, or leave it out"),
        );
    }
}

/// `4.3.0`.
fn parse(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(number);
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

/// `4.3-IV0`.
fn parse_metadata(text: &str) -> Option<(u32, u32, u32)> {
    let (release, level) = text.split_once("-IV")?;
    let (major, minor) = release.split_once('.')?;
    Some((number(major)?, number(minor)?, number(level)?))
}

/// Digits and nothing else: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
