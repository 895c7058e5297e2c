//! Changes under load that need a restart of every node, and one that needs none.

use super::{Example, ROLL, THREE, all_new, none_new, verdict};
use crate::clock::since_ms;
use crate::end::{End, Outcome};
use crate::seed::Seed;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// The version that is upgraded from.
const OLDER: &str = "4.2.2";

/// A property that is read only at the start rolls the cluster; one that is live does not.
pub(crate) fn config(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "roll")?;
    let load = example.load(stage)?;
    let before = example.pods()?;
    example.patch(r#"{"spec":{"config":{"log.cleaner.threads":2}}}"#)?;
    example.settled(PATIENCE)?;
    none_new(&before, &example.pods()?)?;
    let since = example.patch(r#"{"spec":{"config":{"num.partitions":7}}}"#)?;
    example.settled(ROLL)?;
    stage.number("three nodes restarted after a change", since_ms(since), "ms");
    all_new(&before, &example.pods()?)?;
    verdict(stage, load)
}

/// The operator dies again and again while it rolls; what comes after it goes on.
pub(crate) fn operator_killed(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "operator-killed")?;
    let load = example.load(stage)?;
    let mut seed = Seed(stage.seed());
    let before = example.pods()?;
    example.patch(r#"{"spec":{"config":{"num.partitions":7}}}"#)?;
    let mut kills = 0;
    until("a roll under an operator that dies", ROLL, || {
        let after = example.pods()?;
        if before.iter().all(|pod| !after.contains(pod)) {
            return Ok(());
        }
        // At another step of the roll each time: each takes some seconds.
        std::thread::sleep(std::time::Duration::from_millis(2_000 + seed.below(8_000)));
        example.operator.kill()?;
        kills += 1;
        Err(format!("{after:?}"))
    })?;
    stage.number("times the operator was killed", kills, "");
    End::unless(kills > 1, || "the roll was over before the operator died twice".to_owned())?;
    example.settled(ROLL)?;
    verdict(stage, load)
}

/// Another version of Kafka, and then of its metadata.
pub(crate) fn upgrade(stage: &mut Stage<'_>) -> Outcome {
    stage.cluster().machines()?.kafka(OLDER)?;
    let version = format!("version: {OLDER}");
    let changes = [("version: 4.3.0", version.as_str())];
    let example = Example::new(stage, ("upgrade", "main"), THREE, &changes)?;
    let load = example.load(stage)?;
    let before = example.pods()?;
    let since = example.patch(r#"{"spec":{"version":"4.3.0"}}"#)?;
    example.settled(ROLL)?;
    stage.number("three nodes upgraded", since_ms(since), "ms");
    all_new(&before, &example.pods()?)?;
    example.patch(r#"{"spec":{"metadataVersion":"4.3-IV0"}}"#)?;
    let raised = "jsonpath={.status.metadataVersion}=4.3-IV0";
    example.namespace.wait("kafkacluster/main", raised, PATIENCE)?;
    verdict(stage, load)
}

/// New certificates for all nodes. They are controllers too, which read theirs only when they start: the cluster rolls.
pub(crate) fn certificates(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "certificates")?;
    let load = example.load(stage)?;
    let before = example.pods()?;
    let since = example.annotate("klamm.dev/renew-certificates=now")?;
    until("a roll for new certificates", ROLL, || {
        let after = example.pods()?;
        let kept = before.iter().filter(|pod| after.contains(pod)).count();
        if kept == 0 { Ok(()) } else { Err(format!("{kept} nodes to go")) }
    })?;
    example.settled(ROLL)?;
    stage.number("certificates of three nodes renewed", since_ms(since), "ms");
    verdict(stage, load)
}
