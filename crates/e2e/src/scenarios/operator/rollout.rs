//! Restarts that wait: for the end of a pause, for an approval, for a window. Meanwhile each stands in the plan with its reason.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use klamm_kafka::security::Security;

use super::{Example, ROLL, all_new, none_new, verdict};
use crate::clock::since_ms;
use crate::end::{End, Outcome};
use crate::faults::Target as _;
use crate::kafka::Kafka;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "rollout")?;
    let load = example.load(stage)?;
    let before = example.containers()?;
    paused(&example)?;
    none_new(&before, &example.containers()?)?;
    manual(stage, &example)?;
    window(stage, &example)?;
    verdict(stage, load)
}

/// A change that needs restarts is made under a pause: not even a plan is made of it.
fn paused(example: &Example) -> Outcome {
    example.patch(
        r#"{"spec":{"paused":true,"config":{"num.partitions":7},"rollout":{"mode":"Manual"}}}"#,
    )?;
    example.paused()?;
    let sets = example.namespace.kubectl(&["get", "statefulsets", "-o", "json"])?;
    let status = example.status()?;
    let untouched = !sets.contains("num.partitions=7") && status["plan"].is_null();
    End::unless(untouched, || format!("touched under a pause: {} {sets}", status["plan"]))
}

/// Without a pause, the restarts stand in the plan. What can be changed while nodes run is changed; nobody restarts until the very plan
/// that was shown is approved.
fn manual(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let before = example.containers()?;
    example.patch(r#"{"spec":{"paused":false}}"#)?;
    waits(example, "to be approved", "config (num.partitions)")?;
    example.patch(r#"{"spec":{"config":{"log.cleaner.threads":2}}}"#)?;
    let mut kafka = Kafka::new(&example.bootstrap(), Security::default())?;
    until("a live change beside restarts that wait", PATIENCE, || {
        let threads = kafka.broker_config(0, "log.cleaner.threads")?;
        if threads.as_deref() == Some("2") { Ok(()) } else { Err(format!("{threads:?}")) }
    })?;
    waits(example, "to be approved", "config (num.partitions)")?;
    none_new(&before, &example.containers()?)?;
    let shown = plan(example, &[])?;
    for node in 0..3 {
        let line = format!("restart node {node}: config (num.partitions)");
        End::unless(shown.contains(&line), || format!("no '{line}' in:\n{shown}"))?;
    }
    println!("{shown}");
    let other = r#"{"spec":{"rollout":{"approved":"0000000000000000"}}}"#;
    example.patch(other)?;
    waits(example, "to be approved", "config (num.partitions)")?;
    none_new(&before, &example.containers()?)?;
    let since = crate::clock::now();
    plan(example, &["--approve"])?;
    example.settled(ROLL)?;
    stage.number("three nodes restarted after an approval", since_ms(since), "ms");
    all_new(&before, &example.containers()?)
}

/// Outside of a window nobody restarts; once it is one, all do.
fn window(stage: &mut Stage<'_>, example: &Example) -> Outcome {
    let before = example.containers()?;
    let minute = minute_of_day();
    let closed = rollout((minute + 12 * 60) % DAY_MINUTES, 60);
    example.patch(&closed)?;
    example.patch(r#"{"spec":{"config":{"num.partitions":8}}}"#)?;
    waits(example, "a maintenance window", "config (num.partitions)")?;
    none_new(&before, &example.containers()?)?;
    let open = rollout((minute + DAY_MINUTES - 30) % DAY_MINUTES, 12 * 60);
    let since = example.patch(&open)?;
    example.settled(ROLL)?;
    stage.number("three nodes restarted in a window", since_ms(since), "ms");
    all_new(&before, &example.containers()?)
}

const DAY_MINUTES: u64 = 24 * 60;

fn minute_of_day() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / 60 % DAY_MINUTES
}

fn rollout(from: u64, minutes: u64) -> String {
    let window = format!(r#"{{"from":"{:02}:{:02}","minutes":{minutes}}}"#, from / 60, from % 60);
    format!(r#"{{"spec":{{"rollout":{{"mode":"Window","windows":[{window}]}}}}}}"#)
}

/// The operator has looked at the latest change; the restart of each node stands in the plan with this reason and waits for this.
fn waits(example: &Example, obstacle: &str, reason: &str) -> Result<(), String> {
    let waited = until(&format!("three restarts that wait for {obstacle}"), PATIENCE, || {
        let cluster = example.namespace.json(&example.resource())?;
        let status = &cluster["status"];
        let seen = status["observedGeneration"] == cluster["metadata"]["generation"];
        let restarts = status["plan"]["restarts"].as_array().cloned().unwrap_or_default();
        let first = restarts.first().map(|restart| restart["waitsFor"].to_string());
        let waiting = first.is_some_and(|waits_for| waits_for.contains(obstacle));
        let why = |restart: &serde_json::Value| restart["reasons"].to_string().contains(reason);
        if seen && waiting && restarts.len() == 3 && restarts.iter().all(why) {
            return Ok(());
        }
        Err(format!("{} {}", status["plan"], status["conditions"]))
    });
    waited.map_err(|error| example.explain(&error))
}

/// What a person sees: `klamm-operator plan`, which lies beside this program.
fn plan(example: &Example, more: &[&str]) -> Result<String, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = here.with_file_name("klamm-operator");
    let arguments = ["plan", example.cluster, "--namespace", example.namespace.name()];
    let output = Command::new(&program).args(arguments).args(more).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("klamm-operator plan: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
