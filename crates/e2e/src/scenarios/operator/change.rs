//! Changes under load that need a restart of every node, and one that needs none.

use super::{ROLL, Three, all_new, none_new, verdict};
use crate::clock::since_ms;
use crate::end::{End, Outcome};
use crate::seed::Seed;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// A property that is read only at the start rolls the cluster; one that is live does not.
pub(crate) fn config(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::new(stage, "roll")?;
    let load = three.load(stage)?;
    let before = three.pods()?;
    three.patch(r#"{"spec":{"config":{"log.cleaner.threads":2}}}"#)?;
    three.settled(PATIENCE)?;
    none_new(&before, &three.pods()?)?;
    let since = three.patch(r#"{"spec":{"config":{"num.partitions":7}}}"#)?;
    three.settled(ROLL)?;
    stage.number("three nodes restarted after a change", since_ms(since), "ms");
    all_new(&before, &three.pods()?)?;
    verdict(stage, load)
}

/// The operator dies again and again while it rolls; what comes after it goes on.
pub(crate) fn operator_killed(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::new(stage, "operator-killed")?;
    let load = three.load(stage)?;
    let mut seed = Seed(stage.seed());
    let before = three.pods()?;
    three.patch(r#"{"spec":{"config":{"num.partitions":7}}}"#)?;
    let mut kills = 0;
    until("a roll under an operator that dies", ROLL, || {
        let after = three.pods()?;
        if before.iter().all(|pod| !after.contains(pod)) {
            return Ok(());
        }
        // At another step of the roll each time: each takes some seconds.
        std::thread::sleep(std::time::Duration::from_millis(2_000 + seed.below(8_000)));
        three.operator.kill()?;
        kills += 1;
        Err(format!("{after:?}"))
    })?;
    stage.number("times the operator was killed", kills, "");
    End::unless(kills > 1, || "the roll was over before the operator died twice".to_owned())?;
    three.settled(ROLL)?;
    verdict(stage, load)
}

/// Another version of Kafka, and then of its metadata.
pub(crate) fn upgrade(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::older(stage, "upgrade", "4.2.2")?;
    let load = three.load(stage)?;
    let before = three.pods()?;
    let since = three.patch(r#"{"spec":{"version":"4.3.0"}}"#)?;
    three.settled(ROLL)?;
    stage.number("three nodes upgraded", since_ms(since), "ms");
    all_new(&before, &three.pods()?)?;
    three.patch(r#"{"spec":{"metadataVersion":"4.3-IV0"}}"#)?;
    let raised = "jsonpath={.status.metadataVersion}=4.3-IV0";
    three.namespace.wait("kafkacluster/main", raised, PATIENCE)?;
    verdict(stage, load)
}

/// New certificates for all nodes. They are controllers too, which read theirs only when they start: the cluster rolls.
pub(crate) fn certificates(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::new(stage, "certificates")?;
    let load = three.load(stage)?;
    let before = three.pods()?;
    let since = three.annotate("klamm.dev/renew-certificates=now")?;
    until("a roll for new certificates", ROLL, || {
        let after = three.pods()?;
        let kept = before.iter().filter(|pod| after.contains(pod)).count();
        if kept == 0 { Ok(()) } else { Err(format!("{kept} nodes to go")) }
    })?;
    three.settled(ROLL)?;
    stage.number("certificates of three nodes renewed", since_ms(since), "ms");
    verdict(stage, load)
}

impl Three {
    /// The example with another version of Kafka, whose image has to be there.
    fn older(stage: &mut Stage<'_>, name: &str, version: &str) -> Outcome<Self> {
        let image = format!("docker.io/apache/kafka:{version}");
        stage.cluster().machines()?.kafka(version)?;
        println!("    from {image}");
        let operator = crate::operator::Operator::install(stage)?;
        let namespace = stage.namespace(name)?;
        let path = "examples/kubernetes/three-brokers.yaml";
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        namespace.apply(&text.replace("version: 4.3.0", &format!("version: {version}")))?;
        let three = Self { namespace, operator };
        let ready = three.namespace.wait("kafkacluster/main", "condition=Ready", PATIENCE);
        ready.map_err(|error| three.explain(&error))?;
        Ok(three)
    }
}
