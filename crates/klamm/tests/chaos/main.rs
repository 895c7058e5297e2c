//! kill -9 under load, round after round, with a checker that remembers what was acknowledged.
//!
//! `KLAMM_CHAOS_ROUNDS` rounds (30 unless set) from the seed `KLAMM_CHAOS_SEED` (made from the clock and printed). On the
//! embedded log Kafka producers (idempotent, acks=all, several partitions in a request) and MQTT publishers (QoS 1) load it.
//! In front of Apache Kafka the MQTT publishers do, for a tenth of the rounds.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

mod ledger;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the scenarios, each of which uses a part")]
mod support;
mod writer;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use klamm_testkit::table::{self, Case};
use klamm_testkit::{ApacheKafka, Klamm, Peers, Skip, eventually};
use ledger::Ledger;
use support::kafka::Kafka;
use support::load::Load;
use writer::Writers;

/// Topic of the Kafka producers, and its partitions.
const TOPIC: &str = "chaos";
const PARTITIONS: i32 = 8;
/// Topic of the MQTT publishers, with klamm's default number of partitions.
const MQTT_TOPIC: &str = "chaos-mqtt";
const MQTT_PARTITIONS: i32 = 4;
/// Time for a round beyond which something hangs; it takes about a second.
const ROUND_SECONDS: u64 = 30;

/// A small generator (splitmix64).
#[derive(Debug, Clone)]
pub struct Seed(pub u64);

impl Seed {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

fn main() -> ExitCode {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("KLAMM_CHAOS_ROUNDS").unwrap_or(30);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seed = number("KLAMM_CHAOS_SEED").unwrap_or_else(clock);
    println!("chaos: {rounds} rounds, KLAMM_CHAOS_SEED={seed}");
    let limit = Duration::from_secs(ROUND_SECONDS * rounds + 120);
    let embedded = move || embedded(rounds, seed);
    let gateway = move || gateway(rounds.div_ceil(10), seed);
    let checker = || {
        ledger::lost_changed_and_repeated_batches_are_noticed();
        Ok(())
    };
    table::run(vec![
        Case::new("checker::lost_changed_and_repeated_batches_are_noticed".into(), checker),
        Case::new("embedded::killed_under_load_round_after_round".into(), embedded).within(limit),
        Case::new("apache_kafka::killed_under_load_round_after_round".into(), gateway)
            .within(limit),
    ])
}

fn binary() -> &'static std::path::Path {
    env!("CARGO_BIN_EXE_klamm").as_ref()
}

fn embedded(rounds: u64, seed: u64) -> Result<(), Skip> {
    let mut klamm = Klamm::embedded(binary(), &["--default-topic", MQTT_TOPIC]);
    Kafka::connect(&klamm.kafka()).unwrap().create_topic(TOPIC, PARTITIONS);
    let ledger = Arc::new(Ledger::default());
    let writers = Writers::start(&klamm.kafka(), &ledger, seed);
    let load = Load::start(&klamm.mqtt(), "chaos", 2);
    let mut seed = Seed(seed);
    for round in 1..=rounds {
        writers.wait_for_more(20 + seed.below(100) as usize);
        load.wait_for_more(20 + seed.below(100) as usize);
        // What readers have seen must be there afterwards too, acknowledged or not.
        ledger.check(&klamm.kafka(), TOPIC, PARTITIONS, round % 10 == 0);
        ledger.check(&klamm.kafka(), MQTT_TOPIC, MQTT_PARTITIONS, round % 10 == 0);
        // Not to wait for anything: so that the end comes anywhere in what the log is doing.
        std::thread::sleep(Duration::from_micros(seed.below(20_000)));
        klamm.kill();
        klamm.start();
        let batches = ledger.check(&klamm.kafka(), TOPIC, PARTITIONS, false);
        ledger.check(&klamm.kafka(), MQTT_TOPIC, MQTT_PARTITIONS, false);
        let messages = load.acknowledged();
        println!("round {round}: {batches} batches acknowledged and there, {messages} messages");
    }
    writers.stop();
    let acknowledged = load.stop();
    ledger.check(&klamm.kafka(), TOPIC, PARTITIONS, true);
    ledger.check(&klamm.kafka(), MQTT_TOPIC, MQTT_PARTITIONS, true);
    let values = Kafka::connect(&klamm.kafka()).unwrap().values(MQTT_TOPIC);
    assert_all_stored(&acknowledged, values);
    Ok(())
}

fn gateway(rounds: u64, seed: u64) -> Result<(), Skip> {
    let kafka = ApacheKafka::start(&Peers::find())?;
    let mut klamm = Klamm::gateway(binary(), kafka.address(), &["--default-topic", MQTT_TOPIC]);
    let load = Load::start(&klamm.mqtt(), "chaos", 2);
    let mut seed = Seed(seed);
    for _ in 0..rounds {
        load.wait_for_more(20 + seed.below(200) as usize);
        std::thread::sleep(Duration::from_micros(seed.below(20_000)));
        klamm.kill();
        klamm.start();
    }
    let acknowledged = load.stop();
    let mut client = eventually("a connection", || Kafka::connect(kafka.address()).ok());
    assert_all_stored(&acknowledged, client.values(MQTT_TOPIC));
    Ok(())
}

fn assert_all_stored(acknowledged: &[String], stored: Vec<String>) {
    let stored: std::collections::HashSet<String> = stored.into_iter().collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|a| !stored.contains(*a)).collect();
    assert!(lost.is_empty(), "{} acknowledged messages lost: {lost:?}", lost.len());
}
