use klamm_broker::kafka::KafkaOptions;
use klamm_kafka::client::Client;
use klamm_kafka_proto::consumer_offsets::{Key, OffsetCommitValue};
use klamm_kafka_proto::messages::delete_groups::{DeleteGroups, DeleteGroupsRequest};
use klamm_kafka_proto::messages::delete_topics::{DeleteTopics, DeleteTopicsRequest};
use klamm_kafka_proto::messages::offset_commit::{
    OffsetCommit, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic,
};
use klamm_kafka_proto::messages::offset_delete::{
    OffsetDelete, OffsetDeletePartition, OffsetDeleteRequest, OffsetDeleteTopic,
};
use klamm_kafka_proto::messages::offset_fetch::{
    OffsetFetch, OffsetFetchGroup, OffsetFetchRequest, OffsetFetchTopic,
};
use klamm_kafka_proto::records::{batches, records};
use klamm_kafka_proto::{Api, ErrorCode};

use crate::broker::*;
use crate::groups::{Consumer, settle};

fn commit_request(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitPartition {
        committed_offset: offset,
        committed_metadata: Some("note".into()),
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.into(),
        topics: vec![OffsetCommitTopic { name: topic.into(), partitions: vec![partition] }],
        ..Default::default()
    }
}

async fn commit(client: &mut Client, request: &OffsetCommitRequest) -> ErrorCode {
    let response = client.call_at::<OffsetCommit>(8, request).await.unwrap();
    code(response.topics[0].partitions[0].error_code)
}

/// `(offset, metadata)` of partition 0.
async fn committed(client: &mut Client, group: &str, topic: &str) -> (i64, String) {
    let topic = OffsetFetchTopic { name: topic.into(), partition_indexes: vec![0] };
    let request = OffsetFetchRequest {
        group_id: group.into(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let response = client.call_at::<OffsetFetch>(7, &request).await.unwrap();
    assert_eq!(response.error_code, 0);
    let partition = &response.topics[0].partitions[0];
    (partition.committed_offset, partition.metadata.as_ref().unwrap().to_string())
}

#[tokio::test]
async fn every_version_commits_and_fetches() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    for version in OffsetCommit::VERSIONS {
        let request = commit_request("g", "t", i64::from(version));
        let response = client.call_at::<OffsetCommit>(version, &request).await.unwrap();
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "v{version}");
        assert_eq!(committed(&mut client, "g", "t").await, (i64::from(version), "note".to_owned()));
    }
    for version in OffsetFetch::VERSIONS {
        for all in [false, version >= 2] {
            let topic = OffsetFetchTopic { name: "t".into(), partition_indexes: vec![0, 7] };
            let topics = (!all).then(|| vec![topic]);
            let groups = ["g", "unknown"].map(|group| OffsetFetchGroup {
                group_id: group.into(),
                topics: topics.clone(),
                ..Default::default()
            });
            let request = OffsetFetchRequest {
                group_id: "g".into(),
                topics,
                groups: groups.into(),
                ..Default::default()
            };
            let mut response = client.call_at::<OffsetFetch>(version, &request).await.unwrap();
            if version >= 8 {
                assert!(response.groups[1].topics.iter().all(|topic| {
                    topic.partitions.iter().all(|partition| partition.committed_offset == -1)
                }));
                response.topics = response.groups.remove(0).topics;
            }
            let offsets = response.topics[0].partitions.iter().map(|p| p.committed_offset);
            let expected = if all { vec![9] } else { vec![9, -1] };
            assert_eq!(offsets.collect::<Vec<_>>(), expected, "v{version}");
        }
    }
}

#[tokio::test]
async fn commits_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    for offset in [5, 6] {
        assert_eq!(commit(&mut client, &commit_request("g", "t", offset)).await, ErrorCode::None);
    }
    commit(&mut client, &commit_request("gone", "t", 1)).await;
    let delete = DeleteGroupsRequest { groups_names: vec!["gone".into()] };
    client.call::<DeleteGroups>(&delete).await.unwrap();
    drop(client);
    broker.stop().await;
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "g", "t").await, (6, "note".to_owned()));
    assert_eq!(committed(&mut client, "gone", "t").await.0, -1);
    assert_eq!(broker.metrics.kafka_groups.now(), 1);
}

#[tokio::test]
async fn committed_offset_is_a_record_that_kafkas_tools_read() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    commit(&mut client, &commit_request("g", "t", 42)).await;
    let stored = fetch(&mut client, "__consumer_offsets", 0).await.records.unwrap();
    let (_, batch) = batches(stored).next().unwrap().unwrap();
    let record = records(&batch, 1 << 20).unwrap().next().unwrap().unwrap();
    let Ok(Key::Offset(key)) = Key::read(record.key.unwrap()) else { panic!("no offset") };
    assert_eq!((&*key.group, &*key.topic, key.partition), ("g", "t", 0));
    let value = OffsetCommitValue::from_bytes(record.value.unwrap()).unwrap();
    assert_eq!((value.offset, &*value.metadata), (42, "note"));
}

#[tokio::test]
async fn commits_that_cannot_be_are_refused_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    let unknown = commit(&mut client, &commit_request("g", "unknown", 1)).await;
    assert_eq!(unknown, ErrorCode::UnknownTopicOrPartition);
    let mut request = commit_request("g", "t", 1);
    let more = |partition_index, metadata: String| OffsetCommitPartition {
        partition_index,
        committed_metadata: Some(metadata.into()),
        ..Default::default()
    };
    request.topics[0].partitions.push(more(1, String::new()));
    request.topics[0].partitions.push(more(0, "x".repeat(4097)));
    let response = client.call_at::<OffsetCommit>(8, &request).await.unwrap();
    let codes = response.topics[0].partitions.iter().map(|p| code(p.error_code));
    let expected =
        [ErrorCode::None, ErrorCode::UnknownTopicOrPartition, ErrorCode::OffsetMetadataTooLarge];
    assert_eq!(codes.collect::<Vec<_>>(), expected);

    let mut stranger = commit_request("new", "t", 1);
    stranger.member_id = "nobody".into();
    stranger.generation_id_or_member_epoch = 3;
    for (version, expected) in [(8, ErrorCode::IllegalGeneration), (9, ErrorCode::GroupIdNotFound)]
    {
        let response = client.call_at::<OffsetCommit>(version, &stranger).await.unwrap();
        assert_eq!(code(response.topics[0].partitions[0].error_code), expected);
    }
}

#[tokio::test]
async fn only_members_of_the_generation_commit_for_a_group_with_members() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    let mut group = vec![Consumer::new(&broker, "g", None).await];
    settle(&mut group).await;
    let simple = commit_request("g", "t", 1);
    assert_eq!(commit(&mut client, &simple).await, ErrorCode::UnknownMemberId);
    let mut member = simple.clone();
    member.member_id = group[0].member_id.clone();
    member.generation_id_or_member_epoch = group[0].generation + 1;
    assert_eq!(commit(&mut client, &member).await, ErrorCode::IllegalGeneration);
    member.generation_id_or_member_epoch = group[0].generation;
    assert_eq!(commit(&mut client, &member).await, ErrorCode::None);

    // The topic is read, so its offsets stay.
    let delete = |topic: &str| OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteTopic {
            name: topic.into(),
            partitions: vec![OffsetDeletePartition { partition_index: 0 }],
        }],
    };
    let kept = client.call::<OffsetDelete>(&delete("t")).await.unwrap();
    let told = code(kept.topics[0].partitions[0].error_code);
    assert_eq!(told, ErrorCode::GroupSubscribedToTopic);
    group[0].leave().await;
    let deleted = client.call::<OffsetDelete>(&delete("t")).await.unwrap();
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    assert_eq!(committed(&mut client, "g", "t").await.0, -1);
    let missing = OffsetDeleteRequest { group_id: "unknown".into(), ..delete("t") };
    let missing = client.call::<OffsetDelete>(&missing).await.unwrap();
    assert_eq!(code(missing.error_code), ErrorCode::GroupIdNotFound);
}

#[tokio::test]
async fn offsets_of_a_deleted_topic_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    create_topic(&mut client, "u", 1).await;
    commit(&mut client, &commit_request("g", "t", 5)).await;
    commit(&mut client, &commit_request("g", "u", 6)).await;
    let delete = DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() };
    client.call_at::<DeleteTopics>(5, &delete).await.unwrap();
    create_topic(&mut client, "t", 1).await;
    assert_eq!(committed(&mut client, "g", "t").await.0, -1);
    assert_eq!(committed(&mut client, "g", "u").await.0, 6);
}

#[tokio::test]
async fn offsets_topic_stays_small_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let options = KafkaOptions { offsets_snapshot_bytes: 4096, ..KafkaOptions::default() };
    let broker = Broker::start_with(folder.path(), options.clone()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    let mut group = vec![Consumer::new(&broker, "members", None).await];
    settle(&mut group).await;
    for offset in 0..60 {
        for group in ["g", "h"] {
            let told = commit(&mut client, &commit_request(group, "t", offset)).await;
            assert_eq!(told, ErrorCode::None);
        }
    }
    let partition = broker.log.open_partition("__consumer_offsets", 0).unwrap();
    let kept = partition.high_watermark() - partition.log_start_offset();
    assert!(kept < 60, "{kept} of {} records kept", partition.high_watermark());
    drop((client, partition));
    broker.stop().await;
    let broker = Broker::start_with(folder.path(), options).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "g", "t").await.0, 59);
    assert_eq!(committed(&mut client, "h", "t").await.0, 59);
    let mut member = Consumer::new(&broker, "members", None).await;
    (member.member_id, member.generation) = (group[0].member_id.clone(), group[0].generation);
    assert_eq!(member.heartbeat().await, ErrorCode::None);
}
