//! The Kafka protocol, against Apache Kafka with the same client.

use std::process::Command;

use super::Bench;
use super::server::{Klamm, Server, apache_kafka};
use super::table::{Table, number, ratio, whole};

/// Batches of about 16 KiB, the default of Kafka's own producers.
const BATCHED: [(&str, &str); 2] = [("100", "160"), ("1024", "16")];

/// Of a row that [`pair`] makes.
const COLUMNS: [&str; 8] = [
    "",
    "klamm records/s",
    "klamm MB/s",
    "Kafka records/s",
    "Kafka MB/s",
    "klamm / Kafka",
    "klamm p99 ms",
    "Kafka p99 ms",
];

/// The two that are compared.
struct Servers {
    klamm: Klamm,
    kafka: Server,
}

impl Servers {
    fn start(bench: &Bench, name: &str) -> Result<Self, String> {
        let klamm = Klamm::start(bench, &format!("klamm-{name}"), &[])?;
        let kafka = apache_kafka(bench, &format!("kafka-{name}"))?;
        let servers = Self { klamm, kafka };
        servers.warm_up(bench)?;
        Ok(servers)
    }

    /// A JVM is slow until it has compiled what is used; both get the same load before anything is measured.
    fn warm_up(&self, bench: &Bench) -> Result<(), String> {
        let seconds = (2 * bench.seconds).to_string();
        for server in [self.klamm.kafka.clone(), self.kafka.address()] {
            let target = ["--kafka", &server, "--topic", "warm-up"];
            for load in [&["-b", "160"][..], &["-c", "8", "-w", "16"]] {
                bench.load(&[&["kafka-produce", "-t", &seconds], &target[..], load].concat())?;
            }
            bench.load(&[&["kafka-consume"], &target[..]].concat())?;
        }
        Ok(())
    }

    /// A topic on both: on klamm with the durability asked for, on Apache Kafka as it is.
    fn create(&self, bench: &Bench, topic: &str, partitions: &str, durability: &str) {
        let durability = format!("durability={durability}");
        for (server, more) in [
            (self.klamm.kafka.clone(), vec!["--config", &durability]),
            (self.kafka.address(), vec![]),
        ] {
            let mut create = Command::new(&bench.klamm);
            create.args([
                "topics",
                "--kafka",
                &server,
                "create",
                topic,
                "--partitions",
                partitions,
            ]);
            create.args(more);
            klamm_testkit::run("klamm topics create", create).expect_success();
        }
    }
}

/// Page-cache durability on both sides: what Apache Kafka does by default.
pub fn run(bench: &Bench) -> Result<Vec<Table>, String> {
    let servers = Servers::start(bench, "produce")?;
    let mut table = Table::new(
        "Kafka protocol, page-cache durability (klamm: `durability=os`), one partition, one client",
        &COLUMNS,
    );
    let seconds = bench.seconds.to_string();
    for (size, batch) in BATCHED {
        let topic = format!("batched-{size}");
        servers.create(bench, &topic, "1", "os");
        let load = ["kafka-produce", "--topic", &topic, "-s", size, "-b", batch, "-t", &seconds];
        pair(bench, &mut table, &servers, &format!("produce {size} B, batches of {batch}"), &load)?;
        let load = ["kafka-consume", "--topic", &topic];
        pair(bench, &mut table, &servers, &format!("consume {size} B from the beginning"), &load)?;
    }
    servers.create(bench, "single", "8", "os");
    let load = ["kafka-produce", "--topic", "single", "-c", "8", "-w", "16", "-t", &seconds];
    pair(
        bench,
        &mut table,
        &servers,
        "requests of one record of 100 B, 8 clients × 16 in flight",
        &load,
    )?;
    let load = ["kafka-produce", "--topic", "single", "-r", "5000", "-c", "8", "-t", &seconds];
    pair(bench, &mut table, &servers, "5 000 requests/s of one record (latency)", &load)?;
    Ok(vec![table])
}

/// fsync before the acknowledgement, which Apache Kafka has only as `flush.messages=1`.
pub fn durable(bench: &Bench) -> Result<Vec<Table>, String> {
    let servers = Servers::start(bench, "durable")?;
    let mut table = Table::new(
        "Durable produce: fsync before the acknowledgement (Kafka: `flush.messages=1`), 100 B",
        &COLUMNS,
    );
    let seconds = bench.seconds.to_string();
    for (topic, partitions) in [("durable-1", "1"), ("durable-1000", "1000")] {
        servers.create(bench, topic, partitions, "fsync");
        let mut alter = Command::new(&bench.klamm);
        alter.args(["topics", "--kafka", &servers.kafka.address(), "alter", topic]);
        alter.args(["--config", "flush.messages=1"]);
        klamm_testkit::run("klamm topics alter", alter).expect_success();
    }
    for (what, load) in [
        ("1 partition, batches of 160", ["--topic", "durable-1", "-b", "160"].as_slice()),
        (
            "1 partition, requests of one record, 16 in flight",
            &["--topic", "durable-1", "-w", "16"],
        ),
        (
            "1 000 partitions, a record for each in a request",
            &["--topic", "durable-1000", "--all-partitions"],
        ),
    ] {
        let load = [&["kafka-produce", "-t", &seconds], load].concat();
        pair(bench, &mut table, &servers, what, &load)?;
    }
    Ok(vec![table, fsync(bench)?])
}

/// What the disk itself does, to read the others by.
fn fsync(bench: &Bench) -> Result<Table, String> {
    use std::io::Write as _;
    let error = |error: std::io::Error| error.to_string();
    let mut file = std::fs::File::create(bench.scratch.path().join("fsync")).map_err(error)?;
    file.write_all(&vec![0; 1 << 20]).and_then(|()| file.sync_all()).map_err(error)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = super::machine::now();
        std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4096], 0).map_err(error)?;
        file.sync_data().map_err(error)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let mut table = Table::new("One fdatasync of 4 KiB on this disk", &["p50 ms", "p99 ms"]);
    table.row([format!("{:.2}", times[100]), format!("{:.2}", times[197])]);
    Ok(table)
}

/// The same load on one after the other.
fn pair(
    bench: &Bench,
    table: &mut Table,
    servers: &Servers,
    what: &str,
    load: &[&str],
) -> Result<(), String> {
    let run = |server: &str| bench.load(&[load, &["--kafka", server]].concat());
    let (klamm, kafka) = (run(&servers.klamm.kafka)?, run(&servers.kafka.address())?);
    let rate = |result| number(result, "per_second");
    let mb = |result| number(result, "megabytes_per_second");
    let p99 = |result| match number(result, "latency_ms.p99") {
        ms if ms.is_nan() => "–".to_owned(),
        ms => format!("{ms:.2}"),
    };
    table.row([
        what.to_owned(),
        whole(rate(&klamm)),
        format!("{:.1}", mb(&klamm)),
        whole(rate(&kafka)),
        format!("{:.1}", mb(&kafka)),
        ratio(rate(&klamm), rate(&kafka)),
        p99(&klamm),
        p99(&kafka),
    ]);
    table.command(load);
    Ok(())
}
