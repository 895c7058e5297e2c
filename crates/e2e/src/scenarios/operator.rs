//! A cluster that the operator runs: an example of `examples/kubernetes`, as a user would apply it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::now;
use crate::end::{End, Outcome};
use crate::faults::{self, Fault, Target};
use crate::kubectl::Namespace;
use crate::load::{Load, Spec};
use crate::operator::Operator;
use crate::pod::Pod;
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

pub(super) mod authority;
pub(super) mod change;
pub(super) mod dedicated;
pub(super) mod disks;
pub(super) mod issuer;
pub(super) mod listeners;
pub(super) mod refused;
pub(super) mod repaired;
pub(super) mod replaced;
pub(super) mod rollout;
pub(super) mod scale;
pub(super) mod strangers;

/// For several nodes one after the other.
const ROLL: Duration = Duration::from_secs(900);

const THREE: &str = "examples/kubernetes/three-brokers.yaml";
/// Its listener with a certificate of the cluster's authority.
const SCRAM: u16 = 9093;

/// An example, applied as a user would.
pub(super) struct Example {
    namespace: Namespace,
    operator: Operator,
    cluster: &'static str,
}

impl Target for Example {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn bootstrap(&self) -> String {
        format!("main-bootstrap.{}.svc.cluster.local:9092", self.namespace.name())
    }

    fn pod(&self, broker: i32) -> String {
        format!("main-all-{broker}-0")
    }

    fn meta_properties(&self) -> String {
        "/var/lib/kafka/data-0/log/meta.properties".to_owned()
    }
}

impl Example {
    /// Installs the operator, applies an example, in which words may be replaced by others, and waits until its cluster is Ready.
    fn new(
        stage: &mut Stage<'_>,
        (name, cluster): (&str, &'static str),
        path: &str,
        changes: &[(&str, &str)],
    ) -> Outcome<Self> {
        let operator = Operator::install(stage)?;
        let namespace = stage.namespace(name)?;
        let example = Self { namespace, operator, cluster };
        example.namespace.apply(&changed(path, changes)?)?;
        let took = example.ready()?;
        stage.number("every node Ready after apply", took.as_millis(), "ms");
        Ok(example)
    }

    /// Three nodes, each broker and controller.
    pub(super) fn three(stage: &mut Stage<'_>, name: &str) -> Outcome<Self> {
        Self::new(stage, (name, "main"), THREE, &[])
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn resource(&self) -> String {
        format!("kafkacluster/{}", self.cluster)
    }

    fn ready(&self) -> Result<Duration, String> {
        let took = self.namespace.wait(&self.resource(), "condition=Ready", PATIENCE);
        took.map_err(|error| self.explain(&error))
    }

    fn status(&self) -> Result<Value, String> {
        Ok(self.namespace.json(&self.resource())?["status"].take())
    }

    /// What clients of listeners without a certificate of their own are to trust.
    fn trust(&self) -> Result<String, String> {
        Secret::read(&self.namespace, &format!("{}-trust", self.cluster))?.text("ca.crt")
    }

    fn load(&self, stage: &Stage<'_>) -> Outcome<Load> {
        let mut load = Load::start(stage, &self.namespace, &Spec::new(&self.bootstrap()))?;
        load.full(PATIENCE)?;
        load.window()?;
        Ok(load)
    }

    /// Changes the KafkaCluster's spec (JSON merge patch).
    fn patch(&self, patch: &str) -> Result<Instant, String> {
        let since = now();
        let arguments = ["patch", &self.resource(), "--type=merge", "-p", patch];
        self.namespace.kubectl(&arguments).map(|_| since)
    }

    fn annotate(&self, annotation: &str) -> Result<Instant, String> {
        let since = now();
        self.namespace.kubectl(&["annotate", &self.resource(), annotation]).map(|_| since)
    }

    /// The operator leaves everything as it is, and knows it.
    fn paused(&self) -> Result<(), String> {
        until("the pause", PATIENCE, || {
            let cluster = self.namespace.json(&self.resource())?;
            let ready = condition(&cluster["status"], "Ready");
            let seen = ready["observedGeneration"] == cluster["metadata"]["generation"];
            if seen && ready["reason"] == "Paused" { Ok(()) } else { Err(ready.to_string()) }
        })
    }

    /// The operator has looked at the latest change, nothing is on its way any more, and all are Ready.
    fn settled(&self, limit: Duration) -> Result<(), String> {
        let settled = until("everything as it was asked for", limit, || {
            let cluster = self.namespace.json(&self.resource())?;
            let status = &cluster["status"];
            let seen = status["observedGeneration"] == cluster["metadata"]["generation"];
            let is = |kind: &str, value: &str| condition(status, kind)["status"] == value;
            let done = seen && is("Ready", "True") && is("Progressing", "False");
            if done && status["plan"].is_null() {
                return Ok(());
            }
            Err(format!("{} {}", status["conditions"], status["plan"]))
        });
        settled.map_err(|error| self.explain(&error))
    }

    /// The uid of each node's pod.
    fn pods(&self) -> Result<Vec<String>, String> {
        let pods = self.namespace.pods(&format!("klamm.dev/cluster={}", self.cluster))?;
        Ok(pods.into_iter().map(|pod| format!("{} {}", pod.name, pod.uid)).collect())
    }

    /// The same with the containers that run in them: one that was started again is another.
    fn containers(&self) -> Result<Vec<String>, String> {
        let pods = self.namespace.pods(&format!("klamm.dev/cluster={}", self.cluster))?;
        let told = |pod: Pod| format!("{} {} {}", pod.name, pod.uid, pod.containers.join(" "));
        Ok(pods.into_iter().map(told).collect())
    }

    pub(super) fn explain(&self, error: &str) -> String {
        format!("{error}\n{}", self.operator.log().unwrap_or_default())
    }
}

/// A file with other words in some places; each has to be there.
pub(super) fn changed(path: &str, changes: &[(&str, &str)]) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    changes.iter().try_fold(text, |text, (from, to)| {
        if text.contains(from) {
            Ok(text.replace(from, to))
        } else {
            Err(format!("{path} has no '{from}'"))
        }
    })
}

/// Ends a load and keeps its numbers.
fn verdict(stage: &mut Stage<'_>, mut load: Load) -> Outcome {
    load.full(PATIENCE)?;
    let window = load.window()?;
    stage.number("produce stopped", window.produce_stop_ms, "ms");
    stage.number("consume stopped", window.consume_stop_ms, "ms");
    let verdict = load.stop()?;
    stage.number("records acknowledged", verdict.acknowledged, "");
    stage.number("records lost", verdict.lost, "");
    stage.number("records twice", verdict.twice, "");
    verdict.nothing_lost()
}

/// The condition of a type, or null.
fn condition(status: &Value, kind: &str) -> Value {
    let mut all = status["conditions"].as_array().into_iter().flatten();
    all.find(|one| one["type"] == kind).cloned().unwrap_or_default()
}

/// `Ready` of a resource is False for this reason, in words with each of these.
fn told(here: &Namespace, what: &str, reason: &str, words: &[&str]) -> Result<(), String> {
    until(&format!("{reason} of {what}"), PATIENCE, || {
        let ready = condition(&here.json(what)?["status"], "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        let said = ready["reason"] == reason && words.iter().all(|word| message.contains(word));
        if ready["status"] == "False" && said {
            println!("    {what}: {message}");
            return Ok(());
        }
        Err(ready.to_string())
    })
}

/// `Degraded` of the cluster is True, in words with these.
fn degraded(example: &Example, words: &str) -> Result<(), String> {
    until(&format!("a cluster that is Degraded: {words}"), PATIENCE, || {
        let degraded = condition(&example.status()?, "Degraded");
        let message = degraded["message"].as_str().unwrap_or_default();
        if degraded["status"] == "True" && message.contains(words) {
            println!("    {message}");
            return Ok(());
        }
        Err(degraded.to_string())
    })
}

/// Every node was replaced.
fn all_new(before: &[String], after: &[String]) -> Outcome {
    let kept: Vec<&String> = before.iter().filter(|pod| after.contains(pod)).collect();
    End::unless(kept.is_empty(), || format!("not restarted: {kept:?}"))
}

/// Nobody was.
fn none_new(before: &[String], after: &[String]) -> Outcome {
    End::unless(before == after, || format!("restarted: {before:?} became {after:?}"))
}

/// Killed, deleted, its machine restarted: each time a broker is back by itself, as who it was.
pub(super) fn faults(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "faults")?;
    let some = [Fault::JavaKilled, Fault::PodDeleted, Fault::MachineRestarted];
    faults::faults(stage, &example, &some)
}

/// The same with machines that stay away and wires that are cut.
pub(super) fn long_faults(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "machine-away")?;
    faults::faults(stage, &example, &[Fault::MachineAway, Fault::WireCut])
}
