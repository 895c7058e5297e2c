//! What somebody deletes, scales or edits by hand is put back under load, and nobody restarts who need not.

use serde_json::{Map, Value};

use super::{Example, none_new, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::faults::Target as _;
use crate::kafka::Kafka;
use crate::load::Load;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// Everything of the cluster but its nodes.
const OBJECTS: [&str; 6] = [
    "service/main-bootstrap",
    "service/main-nodes",
    "service/main-controllers",
    "poddisruptionbudget/main-kafka",
    "networkpolicy/main-kafka",
    "serviceaccount/main-kafka",
];

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "repaired")?;
    let mut load = example.load(stage)?;
    deleted(stage, &example)?;
    scaled(stage, &example, &mut load)?;
    scaled_under_a_pause(stage, &example, &mut load)?;
    edited(stage, &example)?;
    edited_under_a_pause(stage, &example, &mut load)?;
    verdict(stage, load)
}

/// Each object is made again as it was, and clients find the brokers by the new Services.
fn deleted(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (here, before) = (&example.namespace, example.containers()?);
    for what in OBJECTS {
        let (there, since) = (here.json(what)?, now());
        here.kubectl(&["delete", what, "--wait=false"])?;
        let again = until(&format!("another {what}"), PATIENCE, || {
            let again = here.json(what)?;
            let (old, new) = (&there["metadata"]["uid"], &again["metadata"]["uid"]);
            if old == new { Err("the old one".to_owned()) } else { Ok(again) }
        });
        let again = again.map_err(|error| example.explain(&error))?;
        stage.number(&format!("{what} back after"), since_ms(since), "ms");
        let (was, is) = (wanted(&there), wanted(&again));
        End::unless(was == is, || format!("{what} was {was} and is {is}"))?;
    }
    let mut kafka = Kafka::new(&example.bootstrap(), Default::default())?;
    until("three brokers behind the new Service", PATIENCE, || {
        let brokers = kafka.racks()?.len();
        if brokers == 3 { Ok(()) } else { Err(format!("{brokers} brokers")) }
    })?;
    example.settled(PATIENCE)?;
    none_new(&before, &example.containers()?)
}

/// An object without what Kubernetes gives it anew.
fn wanted(object: &Value) -> Value {
    let (mut spec, metadata) = (object["spec"].clone(), &object["metadata"]);
    // A headless Service asks for none.
    let is_given = |spec: &Map<String, Value>| spec.get("clusterIP").is_some_and(|ip| ip != "None");
    if let Some(spec) = spec.as_object_mut().filter(|spec| is_given(spec)) {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    serde_json::json!([spec, metadata["labels"], metadata["ownerReferences"]])
}

/// Nobody may stop a node by its StatefulSet. Whether its pod ended meanwhile is Kubernetes' matter.
fn scaled(stage: &mut Stage<'_>, example: &Example, load: &mut Load) -> Outcome {
    let (set, pod) = ("statefulset/main-all-1", "main-all-1-0");
    let (disk, before, since) = (disk(example, pod)?, example.namespace.pod(pod)?, now());
    example.namespace.kubectl(&["scale", set, "--replicas=0"])?;
    let again = until("a node that was scaled away", PATIENCE, || {
        let there = example.namespace.json(set)?;
        let seen = there["status"]["observedGeneration"] == there["metadata"]["generation"];
        let (replicas, pod) = (&there["spec"]["replicas"], example.namespace.pod(pod)?);
        let back = seen && *replicas == 1 && pod.ready && !pod.deleting;
        if back { Ok(pod) } else { Err(format!("{replicas} replicas, {pod}")) }
    });
    let again = again.map_err(|error| example.explain(&error))?;
    stage.number("node that was scaled to 0 Ready after", since_ms(since), "ms");
    println!("    its pod was {}", if again.uid == before.uid { "kept" } else { "replaced" });
    whole(example, load, pod, &disk)
}

/// As the documentation says: under a pause the node stays away, and after it, it is who it was.
fn scaled_under_a_pause(stage: &mut Stage<'_>, example: &Example, load: &mut Load) -> Outcome {
    let (here, pod) = (&example.namespace, "main-all-1-0");
    let (disk, before) = (disk(example, pod)?, here.pod(pod)?);
    example.patch(r#"{"spec":{"paused":true}}"#)?;
    example.paused()?;
    here.kubectl(&["scale", "statefulset/main-all-1", "--replicas=0"])?;
    until("two nodes under a pause", PATIENCE, || {
        let pods = example.pods()?;
        if pods.len() == 2 { Ok(()) } else { Err(format!("{pods:?}")) }
    })?;
    let since = example.patch(r#"{"spec":{"paused":false}}"#)?;
    let back = here.back_since(since, pod, &before, PATIENCE);
    let back = back.map_err(|error| example.explain(&error))?;
    stage.number("node that was away under a pause Ready after it", back.as_millis(), "ms");
    whole(example, load, pod, &disk)
}

/// An image that is nowhere, in a node's StatefulSet.
fn edited(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let (before, was) = (example.containers()?, container(example)?["image"].clone());
    let since = now();
    let edit = ["set", "image", "statefulset/main-all-2", "kafka=registry.invalid/kafka:0"];
    example.namespace.kubectl(&edit)?;
    let back = until("the image as it was", PATIENCE, || {
        let is = container(example)?["image"].take();
        if is == was { Ok(()) } else { Err(is.to_string()) }
    });
    back.map_err(|error| example.explain(&error))?;
    stage.number("image in a StatefulSet put back after", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    none_new(&before, &example.containers()?)
}

/// A pod that was made of an edited template is replaced once that is put back, and no other one.
fn edited_under_a_pause(stage: &mut Stage<'_>, example: &Example, load: &mut Load) -> Outcome {
    let (here, pod) = (&example.namespace, "main-all-2-0");
    let (disk, before) = (disk(example, pod)?, example.containers()?);
    let was = container(example)?["env"].clone();
    example.patch(r#"{"spec":{"paused":true}}"#)?;
    example.paused()?;
    here.kubectl(&["set", "env", "statefulset/main-all-2", "KAFKA_OPTS=-Dedited=yes"])?;
    let made = here.pod(pod)?;
    here.delete_pod(pod)?;
    here.back(pod, &made, PATIENCE)?;
    let edited = here.pod(pod)?;
    let of = here.json(&format!("pod/{pod}"))?["spec"]["containers"][0]["env"].take();
    End::unless(of.to_string().contains("-Dedited=yes"), || format!("made with {of}"))?;
    load.full(PATIENCE)?;
    let since = example.patch(r#"{"spec":{"paused":false}}"#)?;
    let back = here.back_since(since, pod, &edited, PATIENCE);
    let back = back.map_err(|error| example.explain(&error))?;
    stage.number("pod of an edited template replaced and Ready after", back.as_millis(), "ms");
    whole(example, load, pod, &disk)?;
    let of = here.json(&format!("pod/{pod}"))?["spec"]["containers"][0]["env"].take();
    let is = container(example)?["env"].take();
    End::unless(is == was && of == was, || format!("{was} became {is}, and {of} in the pod"))?;
    let others = |all: Vec<String>| -> Vec<String> {
        all.into_iter().filter(|told| !told.starts_with(pod)).collect()
    };
    none_new(&others(before), &others(example.containers()?))
}

/// Kafka's container in the template of node 2.
fn container(example: &Example) -> Result<Value, String> {
    let mut set = example.namespace.json("statefulset/main-all-2")?;
    Ok(set["spec"]["template"]["spec"]["containers"][0].take())
}

fn disk(example: &Example, pod: &str) -> Result<String, String> {
    example.namespace.exec(pod, &["cat", &example.meta_properties()])
}

/// All is as it should be, and the node has the disk it had.
fn whole(example: &Example, load: &mut Load, pod: &str, before: &str) -> Outcome {
    example.settled(PATIENCE)?;
    load.full(PATIENCE)?;
    let after = disk(example, pod)?;
    End::unless(before == after, || format!("other disk: {after} was {before}"))
}
