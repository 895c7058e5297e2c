//! Disks that are lost, and disks that grow.

use super::{Example, none_new, verdict};
use crate::clock::since_ms;
use crate::end::{End, Outcome};
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// A controller's claim is deleted with everything on it: its node comes back with another disk, as another voter, and the
/// quorum is whole again.
pub(crate) fn lost(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "disk-lost")?;
    let mut load = example.load(stage)?;
    let directory = |example: &Example| -> Result<String, String> {
        let cluster = example.namespace.json("kafkacluster/main")?;
        Ok(cluster["status"]["nodes"]["2"]["directoryId"].as_str().unwrap_or_default().to_owned())
    };
    let before = directory(&example)?;
    let since = crate::clock::now();
    example.namespace.kubectl(&["delete", "pvc", "data-0-main-all-2-0", "--wait=false"])?;
    example.namespace.delete_pod("main-all-2-0")?;
    until("another disk for node 2", PATIENCE, || {
        let after = directory(&example)?;
        if !after.is_empty() && after != before { Ok(()) } else { Err(after) }
    })?;
    example.settled(PATIENCE)?;
    stage.number("quorum whole again after a lost disk", since_ms(since), "ms");
    load.full(PATIENCE)?;
    stage.number("every ISR full after a lost disk", since_ms(since), "ms");
    let voters = voters(&example)?;
    let after = directory(&example)?;
    let good = voters.contains(&after) && !voters.contains(&before);
    End::unless(good, || {
        format!("directory {before} became {after}, and the voters are {voters}")
    })?;
    verdict(stage, load)
}

/// What Kafka's own tool says of the voters.
fn voters(example: &Example) -> Result<String, String> {
    let tool = "org.apache.kafka.tools.MetadataQuorumCommand";
    let command = [
        "sh",
        "-c",
        &format!(
            "KAFKA_HEAP_OPTS=-Xmx128m java -cp '/opt/kafka/libs/*' {tool} --bootstrap-server localhost:9092 describe --status"
        ),
    ];
    let said = example.namespace.exec("main-all-0-0", &command)?;
    let voters = said.lines().find(|line| line.starts_with("CurrentVoters"));
    voters.map(str::to_owned).ok_or(said)
}

/// Disks grow while Kafka runs, and nobody restarts.
pub(crate) fn grow(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "disk-grows")?;
    let load = example.load(stage)?;
    let before = example.pods()?;
    let patch = r#"[{"op":"replace","path":"/spec/volumes/0/size","value":"21Gi"}]"#;
    let since = crate::clock::now();
    example.namespace.kubectl(&["patch", "kafkanodepool/all", "--type=json", "-p", patch])?;
    for node in 0..3 {
        let claim = format!("pvc/data-0-main-all-{node}-0");
        example.namespace.wait(&claim, "jsonpath={.status.capacity.storage}=21Gi", PATIENCE)?;
    }
    stage.number("three disks grown", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    none_new(&before, &example.pods()?)?;
    verdict(stage, load)
}
