//! Topics in batches.

use klamm_kafka::Fault;
use klamm_kafka::admin::{NewPartitions, NewTopic, TopicDescription};
use klamm_kafka_proto::ErrorCode;

use crate::cluster::{KafkaCluster, block_on, until};

fn topic(name: &str, partitions: i32, replicas: i16) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions: Some(partitions),
        replication_factor: Some(replicas),
        ..NewTopic::default()
    }
}

pub(crate) fn batches_have_outcomes(cluster: &KafkaCluster) {
    block_on(async {
        let mut admin = cluster.admin();
        let configs = [("retention.ms".into(), "1000".into())].into();
        let placed = NewTopic {
            name: "batch.placed".into(),
            assignments: vec![vec![12, 11], vec![11, 12]],
            configs,
            ..NewTopic::default()
        };
        let topics = [topic("batch.a", 3, 2), placed, topic("batch.many", 1, 9)];
        let checked = admin.create_topics(&topics, true).await.unwrap();
        assert!(checked["batch.a"].is_ok(), "{checked:?}");
        let made = admin.create_topics(&topics, false).await.unwrap();
        assert_eq!(made["batch.a"].as_ref().unwrap().partitions, 3);
        let refused = made["batch.many"].as_ref().unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::InvalidReplicationFactor), "{refused}");
        assert_eq!(refused.fault(), Fault::Caller);

        let names = ["batch.a", "batch.placed", "batch.none"];
        let more = [NewPartitions { topic: "batch.a".into(), count: 4, assignments: Vec::new() }];
        assert!(admin.create_partitions(&more, false).await.unwrap()["batch.a"].is_ok());
        let is_known = |topic: &TopicDescription| topic.partitions.len() == 4;
        let found = until(
            "both topics and the new partition are known",
            async || admin.metadata(Some(&names)).await,
            |found| found["batch.a"].as_ref().is_ok_and(is_known) && found["batch.placed"].is_ok(),
        )
        .await;
        let placed = found["batch.placed"].as_ref().unwrap();
        assert_eq!(placed.partitions[0].replicas, [12, 11]);
        assert_eq!(placed.partitions[1].replicas, [11, 12]);
        let unknown = found["batch.none"].as_ref().unwrap_err();
        assert_eq!(unknown.code(), Some(ErrorCode::UnknownTopicOrPartition));

        let names = ["batch.a", "batch.none"];
        let deleted = admin.delete_topics(&names).await.unwrap();
        assert!(deleted["batch.a"].is_ok() && deleted["batch.none"].is_err());
        let ids = [placed.id, made["batch.a"].as_ref().unwrap().id];
        let deleted = admin.delete_topics_by_id(&ids).await.unwrap();
        assert!(deleted[&ids[0]].is_ok());
        let gone = deleted[&ids[1]].as_ref().unwrap_err();
        assert_eq!(gone.code(), Some(ErrorCode::UnknownTopicId));
    });
}
