//! klamm, or the log it runs on, ends and comes back.

use std::collections::{HashMap, HashSet};

use klamm_mqtt_proto::{ProtocolVersion, QoS};
use klamm_testkit::{ApacheKafka, Klamm, Process, Skip, eventually};

use crate::support::load::Load;
use crate::support::mqtt::Mqtt;
use crate::world::{Log, World};

pub fn orderly_restart_keeps_messages_and_loses_no_client_for_good(
    world: &World<'_>,
) -> Result<(), Skip> {
    let mut klamm = world.klamm(&[])?;
    let load = Load::start(&klamm.mqtt(), "orderly", 2);
    load.wait_for_more(200);
    let status = klamm.stop();
    assert!(status.success(), "SIGTERM ended klamm with {status}\n{}", klamm.output());
    klamm.start();
    load.wait_for_more(200);
    let acknowledged = load.stop();
    assert_all_stored(&acknowledged, &world.values(&klamm));
    assert_live(&klamm);
    Ok(())
}

/// A message goes through, from a new publisher to a new subscriber.
fn assert_live(klamm: &Klamm) {
    let mut subscriber = Mqtt::connect(&klamm.mqtt(), ProtocolVersion::V5, "live-sub").unwrap();
    subscriber.subscribe("live/+", QoS::AtLeastOnce);
    let mut publisher = Mqtt::connect(&klamm.mqtt(), ProtocolVersion::V5, "live-pub").unwrap();
    publisher.publish_acknowledged("live/a", "here");
    assert_eq!(&subscriber.message().payload[..], b"here");
}

fn assert_all_stored(acknowledged: &[String], stored: &[String]) {
    let stored: HashSet<&String> = stored.iter().collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|a| !stored.contains(a)).collect();
    assert!(lost.is_empty(), "{} acknowledged messages lost: {lost:?}", lost.len());
}

/// Kafka load of confluent-kafka: idempotent, acks=all.
struct KafkaLoad(Process);

impl KafkaLoad {
    fn start(world: &World<'_>, klamm: &Klamm) -> Result<Self, Skip> {
        let mut command = world.peers().python("kafka_load.py")?;
        command.args([&klamm.kafka(), &kafka_topic(world), "kafka"]);
        Ok(Self(Process::start("kafka_load.py", command)))
    }

    fn acknowledged(&self) -> usize {
        self.0.stdout().lines().count()
    }

    #[track_caller]
    fn wait_for_more(&self, count: usize) {
        let goal = self.acknowledged() + count;
        eventually("acknowledgements of Kafka", || (self.acknowledged() >= goal).then_some(()));
    }

    /// Stops; partition, offset and value of each record acknowledged.
    fn stop(self) -> Vec<(i32, i64, String)> {
        let output = self.0.finish().expect_success();
        let (records, done) = output.trim_end().rsplit_once('\n').expect("more than a line");
        let record = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let partition = words.next()?.parse().ok()?;
            Some((partition, words.next()?.parse().ok()?, words.next()?.to_owned()))
        };
        let records: Option<Vec<_>> = records.lines().map(record).collect();
        let records = records.unwrap_or_else(|| panic!("a record failed for good: {output}"));
        assert_eq!(done, format!("done {} 0", records.len()), "records given and left");
        records
    }
}

fn kafka_topic(world: &World<'_>) -> String {
    format!("{}-kafka", world.topic())
}

/// Each record lies where it was acknowledged, and no value lies in two places.
fn assert_in_place(world: &World<'_>, klamm: &Klamm, acknowledged: &[(i32, i64, String)]) {
    let mut kafka = world.kafka(klamm);
    let mut stored = HashMap::new();
    let mut places = HashMap::new();
    for partition in 0..kafka.partitions(&kafka_topic(world)) {
        for batch in kafka.stored(&kafka_topic(world), partition) {
            for record in batch.records() {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                if let Some(other) = places.insert(value.clone(), (partition, record.offset)) {
                    panic!("{value} at {other:?} and at {partition}:{}", record.offset);
                }
                stored.insert((partition, record.offset), value);
            }
        }
    }
    for (partition, offset, value) in acknowledged {
        let found = stored.get(&(*partition, *offset));
        assert_eq!(found, Some(value), "acknowledged at {partition}:{offset}");
    }
}

pub fn killed_under_load_keeps_what_was_acknowledged(world: &World<'_>) -> Result<(), Skip> {
    let mut klamm = world.klamm(&[])?;
    world.kafka(&klamm).create_topic(&kafka_topic(world), 4);
    let mqtt = Load::start(&klamm.mqtt(), "killed", 2);
    let kafka = KafkaLoad::start(world, &klamm)?;
    for _ in 0..3 {
        mqtt.wait_for_more(200);
        kafka.wait_for_more(200);
        klamm.kill();
        klamm.start();
    }
    mqtt.wait_for_more(200);
    kafka.wait_for_more(200);
    let (mqtt, kafka) = (mqtt.stop(), kafka.stop());
    assert_all_stored(&mqtt, &world.values(&klamm));
    assert_in_place(world, &klamm, &kafka);
    assert_live(&klamm);
    Ok(())
}

/// The log goes away under load and comes back: with the embedded log that is klamm itself, orderly and not; before
/// Apache Kafka klamm runs on, holds its publishers up meanwhile, and recovers by itself.
pub fn log_restarted_under_load_keeps_what_was_acknowledged(world: &World<'_>) -> Result<(), Skip> {
    match world.log {
        Log::Embedded => {
            let mut klamm = world.klamm(&[])?;
            let load = Load::start(&klamm.mqtt(), "restarted", 2);
            for round in 0..4 {
                load.wait_for_more(200);
                if round % 2 == 0 {
                    assert!(klamm.stop().success());
                } else {
                    klamm.kill();
                }
                klamm.start();
            }
            load.wait_for_more(200);
            assert_all_stored(&load.stop(), &world.values(&klamm));
            assert_live(&klamm);
        }
        Log::ApacheKafka => {
            let mut kafka = ApacheKafka::start(world.peers())?;
            let klamm = world.klamm_before(&kafka);
            let load = Load::start(&klamm.mqtt(), "restarted", 2);
            for orderly in [true, false] {
                load.wait_for_more(200);
                kafka.stop(orderly);
                eventually("word that the log is away", || {
                    (klamm.page("/readyz").0 == 503).then_some(())
                });
                assert_eq!(klamm.page("/healthz").0, 200, "klamm itself is well");
                kafka.start_again();
                load.wait_for_more(200);
            }
            assert_eq!(klamm.page("/readyz").0, 200, "recovered by itself");
            assert_all_stored(&load.stop(), &world.values(&klamm));
            assert_live(&klamm);
        }
    }
    Ok(())
}
