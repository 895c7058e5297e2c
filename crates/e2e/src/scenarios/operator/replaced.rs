//! The operator goes and comes: another version of it, none at all, and again. Whatever becomes of it, Kafka is who it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Example, THREE, none_new, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::operator::Operator;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// Kafka's containers have two minutes for their end.
const END: Duration = Duration::from_secs(600);
/// What a claim or a Secret of the cluster is called, before anything is taken away.
const KEPT: [&str; 5] = [
    "pvc/data-0-main-all-0-0",
    "pvc/data-0-main-all-1-0",
    "pvc/data-0-main-all-2-0",
    "secret/main-ca",
    "secret/main-clients-ca",
];

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "replaced")?;
    let mut load = example.load(stage)?;
    let before = example.containers()?;
    let who = identity(&example)?;
    upgraded(stage, &example)?;
    none_new(&before, &example.containers()?)?;
    load.window()?;
    let kept = uninstalled(&example)?;
    none_new(&before, &example.containers()?)?;
    alone(&example)?;
    let took = load.full(PATIENCE)?;
    stage.number(
        "every ISR full after a pod was deleted, without operator",
        took.as_millis(),
        "ms",
    );
    removed(stage, &example)?;
    let since = now();
    Operator::install(stage)?;
    example.namespace.apply_file(THREE)?;
    example.ready()?;
    stage.number("Ready again after the example was applied again", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    let again = identity(&example)?;
    End::unless(again == who, || format!("{who:?} became {again:?}"))?;
    End::unless(kept == uids(&example)?, || "claims or authorities are other ones".to_owned())?;
    verdict(stage, load)
}

/// Another version takes the lease and looks at the cluster; then a property is changed while nodes run. No pod is another one, and none
/// has its agent from the next image.
fn upgraded(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let before = example.containers()?;
    let since = now();
    let next = stage.cluster().images.operator_next.clone();
    let operator = Operator::install_as(stage, &next)?;
    operator.leads(&next)?;
    stage.number("another version of the operator leads", since_ms(since), "ms");
    example.patch(r#"{"spec":{"reassignment":{"partitionsMax":10}}}"#)?;
    example.settled(PATIENCE)?;
    none_new(&before, &example.containers()?)?;
    let sets = example.namespace.kubectl(&["get", "statefulsets", "-o", "yaml"])?;
    End::unless(!sets.contains(&next), || "a StatefulSet was written anew".to_owned())?;
    example.patch(r#"{"spec":{"config":{"log.cleaner.threads":2}}}"#)?;
    example.settled(PATIENCE)?;
    none_new(&before, &example.containers()?)
}

/// As the documentation says; claims and authorities are there before, and nothing of Kafka goes.
fn uninstalled(example: &Example) -> Outcome<Vec<String>> {
    let kept = uids(example)?;
    example.operator.uninstall()?;
    Ok(kept)
}

/// Without an operator a pod that is deleted comes back and starts by itself.
fn alone(example: &Example) -> Outcome<Instant> {
    let name = "main-all-1-0";
    let (before, since) = (example.namespace.pod(name)?, now());
    example.namespace.delete_pod(name)?;
    example.namespace.back_since(since, name, &before, PATIENCE)?;
    Ok(since)
}

/// The cluster's resources go, and their pods with them. Disks and authorities stay.
fn removed(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (here, since) = (&example.namespace, now());
    let kept = uids(example)?;
    here.kubectl(&["delete", "kafkacluster/main", "kafkanodepool/all", "--wait=false"])?;
    until("no pod of the cluster", END, || {
        let pods = example.pods()?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{pods:?}")) }
    })?;
    stage.number("every pod gone after the resources were deleted", since_ms(since), "ms");
    let left =
        here.kubectl(&["get", "services,statefulsets,poddisruptionbudgets", "-o", "name"])?;
    End::unless(!left.contains("main"), || format!("left behind: {left}"))?;
    let after = uids(example)?;
    End::unless(kept == after, || format!("not kept: {kept:?} became {after:?}"))
}

/// Kafka's name for the cluster, and for each node's disk.
fn identity(example: &Example) -> Result<(String, BTreeMap<String, Value>), String> {
    let status = example.status()?;
    let id = status["clusterId"].as_str().unwrap_or_default().to_owned();
    let nodes = status["nodes"].as_object().cloned().unwrap_or_default();
    let disks = nodes.into_iter().map(|(id, node)| (id, node["directoryId"].clone()));
    Ok((id, disks.collect()))
}

fn uids(example: &Example) -> Result<Vec<String>, String> {
    let uid = |what: &&str| {
        let object = example.namespace.json(what)?;
        let going = &object["metadata"]["deletionTimestamp"];
        if going.is_null() {
            Ok(object["metadata"]["uid"].to_string())
        } else {
            Err(format!("{what} goes"))
        }
    };
    KEPT.iter().map(uid).collect()
}
