//! Kafka consumers: Java's console consumer, and groups of confluent-kafka.

use std::collections::{BTreeMap, HashMap, HashSet};

use klamm_mqtt_proto::ProtocolVersion;
use klamm_testkit::{Klamm, Process, Skip, eventually, run, run_with_input};

use crate::support::mqtt::Mqtt;
use crate::world::World;

/// Partitions of a topic that klamm makes.
const PARTITIONS: usize = 4;

pub fn kafka_console_consumer_reads_values_keys_and_headers(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut publish = world.mosquitto_pub(&klamm, "mqttv5", "1")?;
    publish.args(["-i", "meter", "-t", "site/power", "-l"]);
    publish.args(["-D", "publish", "user-property", "unit", "kW"]);
    let lines: String = (0..100).map(|n| format!("reading {n}\n")).collect();
    run_with_input("mosquitto_pub", publish, lines.as_bytes()).expect_success();

    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let mut consumer = world.peers().java("256m", class)?;
    consumer.args(["--bootstrap-server", &klamm.kafka(), "--topic", &world.topic()]);
    consumer.args(["--from-beginning", "--max-messages", "100", "--timeout-ms", "50000"]);
    consumer.args(["--formatter-property", "print.key=true"]);
    consumer.args(["--formatter-property", "print.headers=true"]);
    let output = run("ConsoleConsumer", consumer).expect_success();
    let read: Vec<&str> = output.lines().filter(|line| line.contains("reading")).collect();
    assert_eq!(read.len(), 100, "{output}");
    for (number, line) in read.iter().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields[1..], ["site/power", &format!("reading {number}")], "in order");
        for header in ["unit:kW", "mqtt.qos:1", "mqtt.cid:meter"] {
            assert!(fields[0].split(',').any(|have| have == header), "no {header} in {line}");
        }
    }
    Ok(())
}

/// A member of a group, in a process of its own.
struct Member {
    process: Process,
}

impl Member {
    fn join(world: &World<'_>, klamm: &Klamm, settings: &[&str]) -> Result<Self, Skip> {
        let mut command = world.peers().python("group_member.py")?;
        command.args([&klamm.kafka(), &world.topic(), &world.topic()]).args(settings);
        Ok(Self { process: Process::start("group_member.py", command) })
    }

    /// Partitions it has now.
    fn assigned(&self) -> HashSet<usize> {
        let mut assigned = HashSet::new();
        for line in self.process.stdout().lines() {
            let partitions = || numbers(line, "\"partitions\": [", ']');
            if line.contains("\"assigned\"") {
                assigned.extend(partitions());
            } else if line.contains("\"revoked\"") {
                for partition in partitions() {
                    assigned.remove(&partition);
                }
            }
        }
        assigned
    }

    /// Values of the records it got.
    fn values(&self) -> Vec<String> {
        values(&self.process.stdout())
    }

    /// Leaves the group; the values it got and the offsets it had committed, by partition.
    fn leave(self) -> (Vec<String>, BTreeMap<usize, i64>) {
        let output = self.process.finish().expect_success();
        let last = output.lines().last().unwrap_or_default();
        assert!(last.contains("\"left\""), "{output}");
        let committed = last.split_once("\"committed\": {").map_or("", |(_, rest)| rest);
        let pairs = committed.trim_end_matches('}').split(", ").filter_map(|pair| {
            let (partition, offset) = pair.split_once(": ")?;
            Some((partition.trim_matches('"').parse().ok()?, offset.parse().ok()?))
        });
        (values(&output), pairs.collect())
    }
}

fn values(output: &str) -> Vec<String> {
    let value = |line: &str| {
        let (_, rest) = line.split_once("\"value\": \"")?;
        Some(rest.trim_end_matches("\"}").to_owned())
    };
    // The last line may be half written.
    output.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')).filter_map(value).collect()
}

fn numbers(line: &str, from: &str, to: char) -> impl Iterator<Item = usize> {
    let list = line.split_once(from).and_then(|(_, rest)| rest.split_once(to));
    let list = list.map_or("", |(list, _)| list).to_owned();
    let numbers: Vec<usize> = list.split(", ").filter_map(|n| n.parse().ok()).collect();
    numbers.into_iter()
}

/// Each partition has one owner, and each member has a partition.
fn settled(members: &[&Member]) {
    eventually("each partition with one member", || {
        let assigned: Vec<HashSet<usize>> = members.iter().map(|m| m.assigned()).collect();
        let total: usize = assigned.iter().map(HashSet::len).sum();
        let all: HashSet<usize> = assigned.iter().flatten().copied().collect();
        let every_member = assigned.iter().all(|of| !of.is_empty());
        (total == PARTITIONS && all.len() == PARTITIONS && every_member).then_some(())
    });
}

/// Publishes messages over MQTT, acknowledged; keys enough for every partition.
fn publish(klamm: &Klamm, phase: &str, count: usize) -> Vec<String> {
    let id = format!("publisher-{phase}");
    let mut client = Mqtt::connect(&klamm.mqtt(), ProtocolVersion::V3, &id).unwrap();
    let values: Vec<String> = (0..count).map(|n| format!("{phase}-{n}")).collect();
    for (number, value) in values.iter().enumerate() {
        client.publish_acknowledged(&format!("key/{}", number % 32), value.clone());
    }
    values
}

/// Every value got by some member; more than once only where `twice` allows it.
fn all_got(expected: &[String], members: &[&Member], before: &[String], twice: bool) {
    eventually("every value in the group", || {
        let mut got: HashMap<String, u32> = HashMap::new();
        let values = members.iter().flat_map(|member| member.values()).chain(before.to_vec());
        values.for_each(|value| *got.entry(value).or_default() += 1);
        let done = expected.iter().all(|value| got.contains_key(value));
        assert!(twice || got.values().all(|count| *count == 1), "a value came twice: {got:?}");
        done.then_some(())
    });
}

fn three_members(world: &World<'_>, settings: &[&str]) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut expected = publish(&klamm, "first", 100);
    let one = Member::join(world, &klamm, settings)?;
    settled(&[&one]);
    all_got(&expected, &[&one], &[], false);

    let two = Member::join(world, &klamm, settings)?;
    let three = Member::join(world, &klamm, settings)?;
    settled(&[&one, &two, &three]);
    expected.extend(publish(&klamm, "three", 100));
    all_got(&expected, &[&one, &two, &three], &[], false);

    // One leaves in order: what it had committed is not read again.
    let (mut before, _) = two.leave();
    settled(&[&one, &three]);
    expected.extend(publish(&klamm, "two", 100));
    all_got(&expected, &[&one, &three], &before, false);

    // One is gone without a word: its partitions go to the other when its session has ended. The last it told of
    // may not have been committed.
    three.process.kill();
    before.extend(three.values());
    settled(&[&one]);
    expected.extend(publish(&klamm, "one", 100));
    all_got(&expected, &[&one], &before, true);

    let (_, committed) = one.leave();
    let mut kafka = world.kafka(&klamm);
    let ends = (0..PARTITIONS).map(|p| (p, kafka.offset(&world.topic(), p as i32, true)));
    assert_eq!(committed, ends.collect(), "committed to the end");
    Ok(())
}

pub fn group_of_three_members_joins_and_leaves(world: &World<'_>) -> Result<(), Skip> {
    three_members(world, &["partition.assignment.strategy=range"])
}

pub fn cooperative_group_joins_and_leaves(world: &World<'_>) -> Result<(), Skip> {
    three_members(world, &["partition.assignment.strategy=cooperative-sticky"])
}

pub fn group_goes_on_where_it_was_after_a_restart(world: &World<'_>) -> Result<(), Skip> {
    let mut klamm = world.klamm(&[])?;
    let mut expected = publish(&klamm, "before", 60);
    let member = Member::join(world, &klamm, &[])?;
    all_got(&expected, &[&member], &[], false);
    let (before, _) = member.leave();
    klamm.stop();
    klamm.start();
    expected.extend(publish(&klamm, "after", 60));
    let member = Member::join(world, &klamm, &[])?;
    all_got(&expected, &[&member], &before, false);
    let (after, _) = member.leave();
    assert_eq!(after.len(), 60, "what was committed is not read again");
    Ok(())
}
