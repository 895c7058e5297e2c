//! MQTT in front of a cluster: gateways die and are replaced, and no acknowledged message is lost.

use super::operator::{Example, changed};
use crate::clock::{now, since_ms};
use crate::devices::{Devices, Spec};
use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::operator::Operator;
use crate::pod::Pod;
use crate::seed::Seed;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

const MANIFEST: &str = "e2e/gateway/gateway.yaml";
/// Two gateways, for a user with a password over TLS.
const SECURED: &str = "examples/kubernetes/gateway.yaml";
const PODS: &str = "klamm.dev/gateway=edge";
/// Times that each fault strikes.
const TIMES: u64 = 3;
/// A device that was silent for no longer than this goes on: its pace is 20 ms.
const SILENCE_MS: u64 = 1_000;

#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Removed,
    Deleted,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Killed => "kill -9 of a gateway",
            Self::Removed => "gateway's pod removed without grace",
            Self::Deleted => "gateway's pod deleted",
        }
    }
}

pub(super) fn run(stage: &mut Stage<'_>) -> Outcome {
    let operator = Operator::install(stage)?;
    let here = stage.namespace("gateway")?;
    here.apply_file(MANIFEST)?;
    let explain = |error: String| format!("{error}\n{}", operator.log().unwrap_or_default());
    here.wait("kafkacluster/main", "condition=Ready", PATIENCE).map_err(explain)?;
    let took = here.wait("gateway/edge", "condition=Ready", PATIENCE).map_err(explain)?;
    stage.number("three gateways Ready after the cluster", took.as_millis(), "ms");
    let mut devices = devices(stage, &here, 3)?;
    let mut seed = Seed(stage.seed());
    let mut faults = vec![Fault::Removed, Fault::Deleted];
    if stage.cluster().harness.is_some() {
        faults.insert(0, Fault::Killed);
    }
    for fault in faults {
        strikes(stage, &here, &mut devices, (&mut seed, 3), fault)?;
    }
    // Another setting.
    let patch = r#"{"spec":{"config":"max-connections = 5000\n"}}"#;
    let patch = ["patch", "gateway/edge", "--type=merge", "-p", patch];
    replaced(stage, &here, &mut devices, 3, "a change", &patch)?;
    verdict(stage, devices)
}

/// The example of a gateway before the example of three brokers: over TLS, as a user with a password. Another password replaces the pods.
pub(super) fn secured(stage: &mut Stage<'_>) -> Outcome {
    let image = stage.cluster().images.klamm_tls.clone().ok_or_else(|| {
        End::Skipped("needs an image of klamm with TLS: cargo xtask e2e --tls".to_owned())
    })?;
    let example = Example::three(stage, "gateway-tls")?;
    let here = example.namespace().clone();
    let image = format!("  replicas: 2\n  image: {image}\n");
    here.apply(&changed(SECURED, &[("  replicas: 2\n", &image)])?)?;
    let took = here.wait("gateway/edge", "condition=Ready", PATIENCE);
    let took = took.map_err(|error| example.explain(&error))?;
    stage.number("two gateways with TLS and a password Ready after apply", took.as_millis(), "ms");
    let mut devices = devices(stage, &here, 2)?;
    let mut seed = Seed(stage.seed());
    strikes(stage, &here, &mut devices, (&mut seed, 2), Fault::Deleted)?;
    replaced(stage, &here, &mut devices, 2, "another password", &["delete", "secret/edge-kafka"])?;
    verdict(stage, devices)
}

/// Eight devices before so many gateways.
fn devices(stage: &Stage<'_>, here: &Namespace, gateways: usize) -> Outcome<Devices> {
    let name = here.name();
    let spec = Spec {
        bootstrap: format!("main-bootstrap.{name}.svc.cluster.local:9092"),
        service: format!("edge-gateway.{name}.svc.cluster.local:1883"),
        pods: servers(&settled(here, gateways)?),
        devices: 8,
        topic: "mqtt".to_owned(),
        partitions: 4,
    };
    let mut devices = Devices::start(stage, here, &spec)?;
    devices.window()?;
    Ok(devices)
}

fn verdict(stage: &mut Stage<'_>, devices: Devices) -> Outcome {
    let delivered = devices.stop()?;
    stage.number("messages acknowledged", delivered.acknowledged, "");
    stage.number("messages lost", delivered.lost, "");
    stage.number("messages twice", delivered.twice, "");
    stage.number("messages heard", delivered.heard, "");
    stage.number("messages missed within a connection", delivered.missed, "");
    delivered.nothing_lost()
}

fn strikes(
    stage: &mut Stage<'_>,
    here: &Namespace,
    devices: &mut Devices,
    (seed, gateways): (&mut Seed, usize),
    fault: Fault,
) -> Outcome {
    let (mut produce_ms, mut consume_ms) = (0, 0);
    for _ in 0..TIMES {
        let pods = settled(here, gateways)?;
        devices.pods(&servers(&pods))?;
        devices.window()?;
        let pod = seed.pick(&pods);
        println!("    {}: {pod}", fault.name());
        match fault {
            Fault::Killed => stage.cluster().machines()?.kill(here, &pod.name, "klamm")?,
            Fault::Removed => {
                let now = ["--grace-period=0", "--force", "--wait=false"];
                here.kubectl(&[&["delete", "pod", &pod.name][..], &now].concat())?;
            }
            Fault::Deleted => here.delete_pod(&pod.name)?,
        }
        until("another container instead", PATIENCE, || {
            let after = settled(here, gateways)?;
            let still = after.iter().any(|other| other.containers == pod.containers);
            if still { Err(format!("{pod} runs still")) } else { Ok(()) }
        })?;
        heard(devices)?;
        let window = devices.window()?;
        produce_ms = window.produce_stop_ms.max(produce_ms);
        consume_ms = window.consume_stop_ms.max(consume_ms);
    }
    stage.number(&format!("{}: longest stop of one device", fault.name()), produce_ms, "ms");
    stage.number(&format!("{}: longest stop of a subscriber", fault.name()), consume_ms, "ms");
    Ok(())
}

/// Every pod is replaced while devices publish, because of what `kubectl` is told.
fn replaced(
    stage: &mut Stage<'_>,
    here: &Namespace,
    devices: &mut Devices,
    gateways: usize,
    why: &str,
    command: &[&str],
) -> Outcome {
    let before = settled(here, gateways)?;
    devices.pods(&servers(&before))?;
    devices.window()?;
    let since = now();
    here.kubectl(command)?;
    until("every gateway replaced", PATIENCE, || {
        let pods = here.pods(PODS)?;
        // Devices that know pods have to learn of the new ones while the old ones go.
        let ready: Vec<Pod> = pods.into_iter().filter(|pod| pod.ready && !pod.deleting).collect();
        devices.pods(&servers(&ready))?;
        let kept = before.iter().filter(|old| ready.iter().any(|pod| pod.uid == old.uid)).count();
        let done = kept == 0 && settled(here, gateways).is_ok();
        if done { Ok(()) } else { Err(format!("{kept} to go")) }
    })?;
    stage.number(&format!("every gateway replaced after {why}"), since_ms(since), "ms");
    heard(devices)?;
    let window = devices.window()?;
    stage.number("roll: longest stop of one device", window.produce_stop_ms, "ms");
    stage.number("roll: longest stop of a subscriber", window.consume_stop_ms, "ms");
    Ok(())
}

/// Every device is acknowledged and heard again: a stop is over before it is told.
fn heard(devices: &mut Devices) -> Result<(), String> {
    until("every device acknowledged and heard", PATIENCE, || {
        let silent_ms = devices.silence_ms()?;
        if silent_ms < SILENCE_MS { Ok(()) } else { Err(format!("silent for {silent_ms} ms")) }
    })
}

/// So many pods that are Ready and stay.
fn settled(here: &Namespace, gateways: usize) -> Result<Vec<Pod>, String> {
    until(&format!("{gateways} gateways Ready and none on its way out"), PATIENCE, || {
        let pods = here.pods(PODS)?;
        let good = pods.len() == gateways && pods.iter().all(|pod| pod.ready && !pod.deleting);
        let told: Vec<String> = pods.iter().map(Pod::to_string).collect();
        if good { Ok(pods) } else { Err(told.join("; ")) }
    })
}

fn servers(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(|pod| format!("{}:1883", pod.address)).collect()
}
