//! Replicas on the move, and the snapshot in which all comes together.

use std::collections::BTreeMap;

use bytes::Bytes;
use klamm_kafka::admin::{
    Admin, ClusterSnapshot, ConfigAlteration, ConfigChange, Election, NewTopic, PartitionSnapshot,
    Resource, TopicPartition,
};
use klamm_kafka::cluster::Cluster;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::records::BatchBuilder;

use crate::cluster::{BROKERS, KafkaCluster, block_on, until};

const TOPIC: &str = "moves";
/// What is written: a throttle of 1 byte per second keeps it on its way for ever.
const VALUE_BYTES: usize = 200_000;
const LEADER_RATE: &str = "leader.replication.throttled.rate";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";

fn partition() -> TopicPartition {
    TopicPartition { topic: TOPIC.into(), partition: 0 }
}

fn found(snapshot: &ClusterSnapshot) -> PartitionSnapshot {
    let mut partitions = snapshot.partitions.iter();
    partitions.find(|p| p.partition == partition()).expect("the partition").clone()
}

pub(crate) fn replicas_move(cluster: &KafkaCluster) {
    block_on(async {
        let mut admin = cluster.admin();
        make(&mut admin, cluster).await;
        throttle(&mut admin, true).await;
        let moves = BTreeMap::from([(partition(), Some(vec![12, 11]))]);
        let outcomes = admin.alter_partition_reassignments(&moves).await.unwrap();
        assert!(outcomes[&partition()].is_ok());
        is_seen_on_its_way(&mut admin).await;

        throttle(&mut admin, false).await;
        let asked = async || admin.snapshot().await;
        let arrived = |snapshot: &ClusterSnapshot| {
            let partition = found(snapshot);
            partition.isr.len() == 2 && partition.adding.is_empty()
        };
        until("the replica is in sync", asked, arrived).await;
        is_led_by_the_preferred(&mut admin).await;
        cannot_be(&mut admin).await;
    });
}

async fn make(admin: &mut Admin, kafka: &KafkaCluster) {
    let configs = [("min.insync.replicas".into(), "2".into())].into();
    let assignments = vec![vec![11]];
    let topic = NewTopic { name: TOPIC.into(), assignments, configs, ..NewTopic::default() };
    admin.create_topics(&[topic], false).await.unwrap()[TOPIC].as_ref().unwrap();
    let server = kafka.address("PLAINTEXT");
    let mut cluster = Cluster::connect(&server, "klamm-test").await.unwrap();
    let topic = until(
        "the topic",
        async || cluster.topic(TOPIC).await,
        |topic| topic.partitions.first().is_some_and(|p| p.leader_id == 11),
    );
    let topic = topic.await;
    let value = vec![b'v'; VALUE_BYTES];
    let batch = || -> Bytes {
        let mut builder = BatchBuilder::new();
        builder.append(1_700_000_000_000, None, Some(&value), &[]);
        builder.build()
    };
    until("the batch", async || cluster.produce(11, &topic, 0, batch()).await, |_| true).await;
}

async fn throttle(admin: &mut Admin, on: bool) {
    let change = |name: &str, value: &str| match on {
        true => vec![ConfigChange::Set(name.into(), value.into())],
        false => vec![ConfigChange::Delete(name.into())],
    };
    let alterations = [
        ConfigAlteration {
            resource: Resource::Broker(BROKERS[0]),
            changes: change(LEADER_RATE, "1"),
        },
        ConfigAlteration {
            resource: Resource::Topic(TOPIC.into()),
            changes: change(LEADER_REPLICAS, "*"),
        },
    ];
    let outcomes = admin.incremental_alter_configs(&alterations, false).await.unwrap();
    assert!(outcomes.values().all(Result::is_ok), "{outcomes:?}");
}

async fn is_seen_on_its_way(admin: &mut Admin) {
    let asked = async || admin.snapshot().await;
    let moving = |snapshot: &ClusterSnapshot| {
        let seen = found(snapshot);
        let is_sized = seen.bytes > VALUE_BYTES as u64;
        !seen.adding.is_empty() && is_sized && snapshot.throttle_bytes_per_s() == Some(1)
    };
    let snapshot = until("a reassignment that goes on", asked, moving).await;
    let seen = found(&snapshot);
    assert_eq!((seen.leader, &*seen.replicas, &*seen.adding), (Some(11), &[12, 11][..], &[12][..]));
    assert_eq!((&*seen.isr, seen.min_isr), (&[11][..], 2));
    assert_eq!((snapshot.quorum.leader, snapshot.quorum.observers[0].node), (Some(11), 12));
    assert!(BROKERS.iter().all(|id| snapshot.brokers.iter().any(|broker| broker.id == *id)));
    let listed = admin.list_partition_reassignments().await.unwrap();
    assert_eq!(listed[&partition()].adding, [12]);
}

async fn is_led_by_the_preferred(admin: &mut Admin) {
    let all = [partition()].into();
    let elected = async || admin.elect_leaders(Election::Preferred, Some(&all)).await;
    let outcomes = until("an election", elected, |found| found[&partition()].is_ok()).await;
    assert!(*outcomes[&partition()].as_ref().unwrap(), "another leads now");
    let again = admin.elect_leaders(Election::Preferred, Some(&all)).await.unwrap();
    assert!(!again[&partition()].as_ref().unwrap(), "nothing to be done");
    let asked = async || admin.snapshot().await;
    until("broker 12 leads", asked, |snapshot| found(snapshot).leader == Some(12)).await;
}

async fn cannot_be(admin: &mut Admin) {
    let nothing = BTreeMap::from([(partition(), None)]);
    let outcomes = admin.alter_partition_reassignments(&nothing).await.unwrap();
    let refused = outcomes[&partition()].as_ref().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::NoReassignmentInProgress), "{refused}");
    let astray = BTreeMap::from([(partition(), Some(vec![99]))]);
    let outcomes = admin.alter_partition_reassignments(&astray).await.unwrap();
    let refused = outcomes[&partition()].as_ref().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::InvalidReplicaAssignment), "{refused}");
}
