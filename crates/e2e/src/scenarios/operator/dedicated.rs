//! The example with controllers of their own and brokers over zones, which lets nobody in without a certificate.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Example, ROLL, none_new, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::load::{Load, Spec};
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

const PATH: &str = "examples/kubernetes/dedicated-controllers.yaml";
/// Machines as small as ours: four brokers of a gibibyte. Four over three zones, so that a topic can be spread badly.
const SMALLER: [(&str, &str); 4] = [
    ("replicas: 6", "replicas: 4"),
    (r#"requests: { cpu: "2", memory: 12Gi }"#, "requests: { cpu: 100m, memory: 1Gi }"),
    ("limits: { memory: 12Gi }", "limits: { memory: 1Gi }"),
    ("requests: { cpu: 250m, memory: 1Gi }", "requests: { cpu: 50m, memory: 1Gi }"),
];
/// Partitions of the topic that is to be spread. By chance twelve of four brokers in three zones are so once in four thousand times.
const PARTITIONS: usize = 12;

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::new(stage, ("dedicated", "large"), PATH, &SMALLER)?;
    let admin = admin(&example)?;
    racks(&example, &admin)?;
    let mut load = Load::start(stage, &example.namespace, &Spec::of_user(&admin)?)?;
    load.full(PATIENCE)?;
    load.window()?;
    leader_deleted(stage, &example, &mut load)?;
    let brokers = brokers(&example)?;
    controllers(stage, &example, &admin, 5)?;
    controllers(stage, &example, &admin, 3)?;
    // Whoever is no controller has nothing to do with it.
    none_new(&brokers, &self::brokers(&example)?)?;
    verdict(stage, load)
}

/// The example's superuser, with the certificate that its KafkaUser gets.
fn admin(example: &Example) -> Outcome<Secret> {
    let user = json!({
        "apiVersion": "klamm.dev/v1alpha1", "kind": "KafkaUser", "metadata": { "name": "admin" },
        "spec": { "cluster": { "name": example.cluster }, "authentication": "Tls" },
    });
    let topic = json!({
        "apiVersion": "klamm.dev/v1alpha1", "kind": "KafkaTopic", "metadata": { "name": "spread" },
        "spec": { "cluster": { "name": example.cluster }, "partitions": PARTITIONS },
    });
    example.namespace.apply(&format!("{user}\n---\n{topic}"))?;
    for what in ["kafkauser/admin", "kafkatopic/spread"] {
        let ready = example.namespace.wait(what, "condition=Ready", PATIENCE);
        ready.map_err(|error| example.explain(&error))?;
    }
    Ok(Secret::read(&example.namespace, "admin-kafka")?)
}

/// Each broker's rack is its machine's zone, in the status and in Kafka; there is one broker at least in each, and a replica of each partition.
fn racks(example: &Example, admin: &Secret) -> Outcome {
    let zones = zones(example)?;
    let status = example.status()?;
    let mut kafka = admin.connect()?;
    let told = kafka.racks()?;
    for (id, zone) in &zones {
        let in_status = status["nodes"][id.to_string()]["rack"].as_str();
        let same = in_status == Some(zone) && told.get(id) == Some(&Some(zone.clone()));
        End::unless(same, || format!("broker {id} in {zone}: {in_status:?}, Kafka: {told:?}"))?;
    }
    let all: BTreeSet<&String> = zones.values().collect();
    println!("    brokers are in {zones:?}");
    End::unless(all.len() == 3, || format!("brokers are not spread: {zones:?}"))?;
    let replicas = kafka.replicas("spread")?;
    End::unless(replicas.len() == PARTITIONS, || format!("{replicas:?}"))?;
    for partition in &replicas {
        let over: BTreeSet<Option<&String>> = partition.iter().map(|id| zones.get(id)).collect();
        End::unless(over.len() == 3, || format!("replicas {replicas:?} in {zones:?}"))?;
    }
    Ok(())
}

/// The zone of each broker's machine.
fn zones(example: &Example) -> Result<BTreeMap<i32, String>, String> {
    let mut zones = BTreeMap::new();
    for pod in example.namespace.pods("klamm.dev/broker=true")? {
        let id = pod.name.trim_end_matches("-0").rsplit('-').next();
        let id = id.and_then(|id| id.parse().ok()).ok_or_else(|| pod.to_string())?;
        let machine = example.namespace.json(&format!("node/{}", pod.node))?;
        let zone = machine["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str();
        zones.insert(id, zone.unwrap_or_default().to_owned());
    }
    Ok(zones)
}

/// The active controller's pod is deleted: another leads at once, and it comes back as the voter it was.
fn leader_deleted(stage: &mut Stage<'_>, example: &Example, load: &mut Load) -> Outcome {
    let status = example.status()?;
    let leader = status["activeController"].to_string();
    let disk = |status: &serde_json::Value| status["nodes"][&leader]["directoryId"].clone();
    let name = format!("large-controllers-{leader}-0");
    let before = example.namespace.pod(&name)?;
    let since = now();
    example.namespace.delete_pod(&name)?;
    until("another active controller", PATIENCE, || {
        let now = example.status()?["activeController"].to_string();
        if now != leader && now != "null" { Ok(()) } else { Err(now) }
    })?;
    stage.number("another active controller in the status after", since_ms(since), "ms");
    example.namespace.back_since(since, &name, &before, PATIENCE)?;
    example.settled(PATIENCE)?;
    stage.number("all as before a deleted controller after", since_ms(since), "ms");
    let after = example.status()?;
    End::unless(disk(&status) == disk(&after), || format!("controller {leader} has another disk"))?;
    let window = load.window()?;
    stage.number("controller's pod deleted: produce stopped", window.produce_stop_ms, "ms");
    Ok(())
}

/// So many controllers, all of them voters.
fn controllers(stage: &mut Stage<'_>, example: &Example, admin: &Secret, count: usize) -> Outcome {
    let since = now();
    let replicas = format!("--replicas={count}");
    example.namespace.kubectl(&["scale", "kafkanodepool/controllers", &replicas])?;
    let there = until(&format!("{count} controllers"), ROLL, || {
        let pods = example.namespace.pods("klamm.dev/controller=true")?;
        if pods.len() == count { Ok(()) } else { Err(format!("{} of them", pods.len())) }
    });
    there.map_err(|error| example.explain(&error))?;
    example.settled(ROLL)?;
    stage.number(&format!("{count} controllers after"), since_ms(since), "ms");
    let voters = admin.connect()?.voters()?;
    End::unless(voters.len() == count, || format!("voters are {voters:?}"))
}

fn brokers(example: &Example) -> Result<Vec<String>, String> {
    let pods = example.namespace.pods("klamm.dev/broker=true")?;
    Ok(pods.iter().map(|pod| format!("{} {:?}", pod.uid, pod.containers)).collect())
}
