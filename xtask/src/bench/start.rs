//! Start, memory at rest, size; and many idle partitions.

use std::path::Path;
use std::time::Duration;

use super::Bench;
use super::server::{Klamm, Server, apache_kafka, first_reply, pinned};
use super::table::{Table, ratio, whole};
use klamm_testkit::{Peers, free_port};

const PARTITIONS: u32 = 10_000;
/// Starts of which the median is told.
const STARTS: usize = 5;

pub fn run(bench: &Bench) -> Result<Vec<Table>, String> {
    let mut table = Table::new(
        "Start to first reply, memory at rest, size",
        &["", "klamm", "Apache Kafka", "klamm / Kafka"],
    );
    let mut times = Vec::new();
    for number in 0..STARTS {
        let data = bench.scratch.path().join(format!("start-{number}"));
        times.push(start_ms(bench, &data)?.0);
    }
    times.sort_by(f64::total_cmp);
    let klamm_ms = times[STARTS / 2];
    let klamm = Klamm::start(bench, "idle", &[])?;
    rest();
    let klamm_kib = klamm.server.rss_kib()?;
    drop(klamm);
    let kafka = apache_kafka(bench, "kafka-idle")?;
    first_reply(kafka.port)?;
    let kafka_ms = kafka.began.elapsed().as_secs_f64() * 1e3;
    rest();
    let kafka_kib = kafka.rss_kib()?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let klamm_mb = megabytes(std::fs::metadata(&bench.klamm).map_err(|e| e.to_string())?.len());
    let kafka_mb = megabytes(folder_bytes(&Peers::find().kafka_libs()));
    for (what, klamm, kafka, digits) in [
        ("start to first ApiVersions reply, ms", klamm_ms, kafka_ms, 1),
        ("resident memory at rest, MiB", klamm_kib as f64 / 1024.0, kafka_kib as f64 / 1024.0, 1),
        ("program, MB (Kafka: its jars, without a JVM)", klamm_mb, kafka_mb, 1),
    ] {
        table.row([
            what.to_owned(),
            format!("{klamm:.digits$}"),
            format!("{kafka:.digits$}"),
            ratio(klamm, kafka),
        ]);
    }
    Ok(vec![table])
}

/// Milliseconds from the start of the process to its first answer over the Kafka protocol.
fn start_ms(bench: &Bench, data: &Path) -> Result<(f64, Server), String> {
    let port = free_port();
    let mut command = pinned(&bench.klamm);
    command.arg("--data").arg(data).args(["--kafka-listen", &format!("127.0.0.1:{port}")]);
    command.args(["--mqtt-listen", "off", "--http-listen", "off", "--log", "error"]);
    let server = Server::spawn("klamm", command, port);
    first_reply(port)?;
    Ok((server.began.elapsed().as_secs_f64() * 1e3, server))
}

/// What a process does at its start is over by then; memory at rest has no end to wait for.
fn rest() {
    std::thread::sleep(Duration::from_secs(2));
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// Ten thousand partitions with nothing to do, and the start after `kill -9` with all of them.
pub fn partitions(bench: &Bench) -> Result<Vec<Table>, String> {
    let mut table =
        Table::new(&format!("{} idle partitions", whole(f64::from(PARTITIONS))), &["", "klamm"]);
    let data = bench.scratch.path().join("partitions");
    let (_, server) = start_ms(bench, &data)?;
    let empty = server.rss_kib()?;
    let kafka = server.address();
    for topic in ["many-0", "many-1", "many-2", "many-3"] {
        let mut create = std::process::Command::new(&bench.klamm);
        let partitions = (PARTITIONS / 4).to_string();
        create.args(["topics", "--kafka", &kafka, "create", topic, "--partitions", &partitions]);
        klamm_testkit::run("klamm topics create", create).expect_success();
        bench.load(&[
            "kafka-produce",
            "--kafka",
            &kafka,
            "--topic",
            topic,
            "--all-partitions",
            "-t",
            "1",
        ])?;
    }
    rest();
    let full = server.rss_kib()?;
    drop(server);
    let (restart_ms, server) = start_ms(bench, &data)?;
    rest();
    let again = server.rss_kib()?;
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    table.row(["resident memory without partitions, MiB".into(), mib(empty)]);
    table.row(["with them, after a record in each, MiB".into(), mib(full)]);
    table.row(["start to first reply after kill -9, ms".into(), format!("{restart_ms:.0}")]);
    table.row(["resident memory after that, MiB".into(), mib(again)]);
    Ok(vec![table])
}
