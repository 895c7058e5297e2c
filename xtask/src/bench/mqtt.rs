//! MQTT, against Debian's mosquitto with the same load tool.

use std::process::Command;
use std::time::Duration;

use super::server::{Klamm, Server, apache_kafka, mosquitto};
use super::table::{Table, number, ratio, whole};
use super::{Bench, machine};
use klamm_testkit::Process;

/// Connections held for the memory of one.
const CONNECTIONS: u32 = 10_000;

pub fn run(bench: &Bench) -> Result<Vec<Table>, String> {
    let klamm = Klamm::start(bench, "mqtt", &[])?;
    let fast = Klamm::start(bench, "mqtt-os", &[])?;
    // The default topic of the second, made before its first message, does without fsync as mosquitto does.
    let mut create = Command::new(&bench.klamm);
    create.args(["topics", "--kafka", &fast.kafka, "create", "mqtt", "--partitions", "4"]);
    create.args(["--config", "durability=os"]);
    klamm_testkit::run("klamm topics create", create).expect_success();
    let peer = mosquitto(bench)?;
    let seconds = bench.seconds.to_string();
    let mut table = Table::new(
        "MQTT (mosquitto keeps everything in memory; klamm stores every message)",
        &[
            "messages/s (p99 ms)",
            "klamm, fsync",
            "klamm, page cache",
            "mosquitto",
            "klamm, page cache / mosquitto",
        ],
    );
    for (what, load) in [
        ("QoS 0, 1 publisher, deliveries to 100 subscribers", ["mqtt-fanout"].as_slice()),
        ("QoS 1, 1 publisher, deliveries to 100 subscribers", &["mqtt-fanout", "-q", "1"]),
        ("QoS 0 in, 4 clients", &["mqtt-publish", "-q", "0", "-c", "4"]),
        ("QoS 1 in, 4 clients × 20 in flight", &["mqtt-publish", "-c", "4"]),
        ("QoS 1 in, 50 clients × 20 in flight", &["mqtt-publish", "-c", "50"]),
        ("QoS 1 in, 50 clients, 10 000 a second", &["mqtt-publish", "-c", "50", "-r", "10000"]),
        ("QoS 2 in, 50 clients × 20 in flight", &["mqtt-publish", "-q", "2", "-c", "50"]),
    ] {
        let load = [load, &["-t", &seconds]].concat();
        let run = |server: &str| bench.load(&[&load[..], &["--mqtt", server]].concat());
        let results = [run(&klamm.mqtt)?, run(&fast.mqtt)?, run(&peer.address())?];
        let rates = results.each_ref().map(|result| number(result, "per_second"));
        let cells = results.iter().zip(rates).map(|(result, rate)| {
            let p99 = number(result, "latency_ms.p99");
            if p99.is_nan() { whole(rate) } else { format!("{} ({p99:.1})", whole(rate)) }
        });
        let mut row = vec![what.to_owned()];
        row.extend(cells);
        row.push(ratio(rates[1], rates[2]));
        table.row(row);
        table.command(&load);
    }
    Ok(vec![table])
}

/// Connections that do nothing.
pub fn idle(bench: &Bench) -> Result<Vec<Table>, String> {
    let mut table = Table::new(
        &format!(
            "{} idle MQTT connections (user space; kernel buffers are the same for both)",
            whole(f64::from(CONNECTIONS))
        ),
        &["", "klamm", "mosquitto"],
    );
    let klamm = Klamm::start(bench, "idle-connections", &[])?;
    let peer = mosquitto(bench)?;
    let ours = hold(bench, &klamm.server)?;
    let theirs = hold(bench, &peer)?;
    table.row(["connects/s".into(), whole(ours.0), whole(theirs.0)]);
    table.row([
        "KiB of resident memory each".into(),
        format!("{:.2}", ours.1),
        format!("{:.2}", theirs.1),
    ]);
    table.command(&["mqtt-connect", "-c", "10000"]);
    Ok(vec![table])
}

/// Connects a second and KiB for each connection.
fn hold(bench: &Bench, server: &Server) -> Result<(f64, f64), String> {
    let before = server.rss_kib()?;
    let mut command = Command::new("taskset");
    let connections = CONNECTIONS.to_string();
    command.args(["-c", machine::LOAD_CORES]).arg(&bench.klamm);
    command.args(["bench", "mqtt-connect", "-c", &connections, "--hold", "30", "--json"]);
    command.args(["--mqtt", &server.address()]);
    let load = Process::start("klamm bench mqtt-connect", command);
    let line = load.wait_for("all connections", |out| out.contains('}').then(|| out.to_owned()));
    let result: serde_json::Value =
        serde_json::from_str(line.trim()).map_err(|error| error.to_string())?;
    // Let buffers of the handshake go.
    std::thread::sleep(Duration::from_secs(2));
    let each = server.rss_kib()?.saturating_sub(before) as f64 / f64::from(CONNECTIONS);
    Ok((number(&result, "per_second"), each))
}

/// MQTT onto Apache Kafka: the gateway has a core, Kafka and the load tool share the other.
pub fn gateway(bench: &Bench) -> Result<Vec<Table>, String> {
    let kafka = apache_kafka(bench, "kafka-gateway")?;
    kafka.move_to(machine::LOAD_CORES)?;
    let klamm = Klamm::gateway(bench, kafka.port)?;
    // It lets clients in once the cluster has answered.
    let connect = ["mqtt-connect", "-c", "1", "--mqtt", &klamm.mqtt];
    klamm_testkit::eventually("a gateway that is ready", || bench.load(&connect).ok());
    let mut table = Table::new(
        "MQTT QoS 1 onto Apache Kafka (acks=all); Kafka and the load tool share the second core",
        &["", "messages/s", "p50 ms", "p99 ms"],
    );
    let seconds = bench.seconds.to_string();
    for (what, load) in [
        ("50 clients × 20 in flight", ["mqtt-publish", "-c", "50"].as_slice()),
        ("50 clients × 100 in flight", &["mqtt-publish", "-c", "50", "-w", "100"]),
        ("50 clients, 10 000 a second", &["mqtt-publish", "-c", "50", "-r", "10000"]),
    ] {
        let load = [load, &["-t", &seconds]].concat();
        let result = bench.load(&[&load[..], &["--mqtt", &klamm.mqtt]].concat())?;
        table.row([
            what.to_owned(),
            whole(number(&result, "per_second")),
            format!("{:.1}", number(&result, "latency_ms.p50")),
            format!("{:.1}", number(&result, "latency_ms.p99")),
        ]);
        table.command(&load);
    }
    Ok(vec![table])
}
