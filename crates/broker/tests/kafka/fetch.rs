use std::time::Duration;

use klamm_kafka_proto::messages::delete_topics::{DeleteTopics, DeleteTopicsRequest};
use klamm_kafka_proto::messages::fetch::{Fetch, FetchPartition, FetchTopic};
use klamm_kafka_proto::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use klamm_kafka_proto::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
    OffsetForLeaderTopic,
};
use klamm_kafka_proto::messages::produce::Produce;
use klamm_kafka_proto::{Api, ErrorCode, Uuid};

use crate::broker::*;

/// Longer than any test waits: a fetch that comes back sooner was woken.
const LONG_MS: i32 = 600_000;

#[tokio::test]
async fn long_poll_wakes_when_a_record_comes() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    create_topic(&mut writer, "t", 1).await;
    let mut request = fetch_request("t", Uuid::default(), 0, LONG_MS);
    request.min_bytes = batch(&["a"]).len() as i32 + 1;
    reader.send::<Fetch>(12, &request).await.unwrap();
    for value in ["a", "b"] {
        produce(&mut writer, "t", batch(&[value])).await;
    }
    let response = reader.receive::<Fetch>(12).await.unwrap();
    let partition = &response.responses[0].partitions[0];
    // The first alone is not enough.
    assert_eq!(values(partition.records.as_ref().unwrap()), ["0:a", "1:b"]);
    assert_eq!(partition.high_watermark, 2);
}

#[tokio::test]
async fn long_poll_over_many_partitions_wakes_for_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    create_topic(&mut writer, "t", 200).await;
    let mut request = fetch_request("t", Uuid::default(), 0, LONG_MS);
    let partition = request.topics[0].partitions[0].clone();
    request.topics[0].partitions =
        (0..200).map(|index| FetchPartition { partition: index, ..partition.clone() }).collect();
    reader.send::<Fetch>(12, &request).await.unwrap();
    let mut last = produce_request("t", Uuid::default(), -1, batch(&["a"]));
    last.topic_data[0].partition_data[0].index = 199;
    writer.call_at::<Produce>(12, &last).await.unwrap();
    let response = reader.receive::<Fetch>(12).await.unwrap();
    let found =
        response.responses[0].partitions.iter().map(|p| values(p.records.as_ref().unwrap()));
    let found: Vec<_> = found.enumerate().filter(|(_, values)| !values.is_empty()).collect();
    assert_eq!(found, [(199, vec!["0:a".to_owned()])]);
}

#[tokio::test]
async fn long_poll_wakes_when_its_topic_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    create_topic(&mut writer, "t", 1).await;
    let request = fetch_request("t", Uuid::default(), 0, LONG_MS);
    reader.send::<Fetch>(12, &request).await.unwrap();
    let delete = DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() };
    writer.call_at::<DeleteTopics>(5, &delete).await.unwrap();
    let response = reader.receive::<Fetch>(12).await.unwrap();
    let told = code(response.responses[0].partitions[0].error_code);
    assert_eq!(told, ErrorCode::UnknownTopicOrPartition);
}

#[tokio::test]
async fn fetch_at_the_end_comes_back_empty_after_max_wait() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    let request = fetch_request("t", Uuid::default(), 0, 1);
    let response = client.call_at::<Fetch>(12, &request).await.unwrap();
    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark), (0, 0));
    assert_eq!(partition.records.as_ref().unwrap().len(), 0);
}

#[tokio::test]
async fn limits_hold_but_at_least_one_batch_comes() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 2).await;
    for index in [0, 1] {
        for value in ["a", "b"] {
            let mut request = produce_request("t", Uuid::default(), -1, batch(&[value]));
            request.topic_data[0].partition_data[0].index = index;
            client.call_at::<Produce>(12, &request).await.unwrap();
        }
    }
    let size = batch(&["a"]).len() as i32;
    let mut request = fetch_request("t", Uuid::default(), 0, 0);
    let first = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.push(FetchPartition { partition: 1, ..first });
    for (max_bytes, partition_max_bytes, expected) in [
        (1, 1, [1, 0]),
        (0, 0, [1, 0]),
        (size, size, [1, 0]),
        (2 * size, size, [1, 1]),
        (3 * size, 2 * size, [2, 1]),
        (i32::MAX, i32::MAX, [2, 2]),
    ] {
        request.max_bytes = max_bytes;
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = partition_max_bytes;
        }
        let response = client.call_at::<Fetch>(12, &request).await.unwrap();
        let partitions = response.responses[0].partitions.iter();
        let found = partitions.map(|p| values(p.records.as_ref().unwrap()).len());
        assert_eq!(found.collect::<Vec<_>>(), expected, "{max_bytes} {partition_max_bytes}");
    }
}

#[tokio::test]
async fn errors_of_a_fetch_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    produce(&mut client, "t", batch(&["a"])).await;
    for offset in [-1, 2] {
        let told = fetch(&mut client, "t", offset).await;
        assert_eq!(code(told.error_code), ErrorCode::OffsetOutOfRange);
    }
    let told = fetch(&mut client, "unknown", 0).await;
    assert_eq!(code(told.error_code), ErrorCode::UnknownTopicOrPartition);

    let request = fetch_request("", Uuid([7; 16]), 0, LONG_MS);
    let response = client.call_at::<Fetch>(13, &request).await.unwrap();
    let told = code(response.responses[0].partitions[0].error_code);
    assert_eq!(told, ErrorCode::UnknownTopicId);
    assert_eq!(response.responses[0].topic_id, Uuid([7; 16]));

    let epoch = broker.log.open_partition("t", 0).unwrap().leader_epoch();
    let mut request = fetch_request("t", Uuid::default(), 1, LONG_MS);
    request.topics[0].partitions[0].current_leader_epoch = epoch + 1;
    let response = client.call_at::<Fetch>(12, &request).await.unwrap();
    let told = code(response.responses[0].partitions[0].error_code);
    assert_eq!(told, ErrorCode::UnknownLeaderEpoch);

    let mut request = fetch_request("t", Uuid::default(), 1, LONG_MS);
    request.replica_id = 2;
    let response = client.call_at::<Fetch>(12, &request).await.unwrap();
    let told = code(response.responses[0].partitions[0].error_code);
    assert_eq!(told, ErrorCode::NotLeaderOrFollower);
}

#[tokio::test]
async fn sessions_are_declined_so_that_clients_name_all_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    for (id, epoch, expected) in [
        (0, 0, ErrorCode::None),
        (0, -1, ErrorCode::None),
        (0, 5, ErrorCode::InvalidFetchSessionEpoch),
        (9, 1, ErrorCode::FetchSessionIdNotFound),
    ] {
        let mut request = fetch_request("t", Uuid::default(), 0, 0);
        (request.session_id, request.session_epoch) = (id, epoch);
        let response = client.call_at::<Fetch>(12, &request).await.unwrap();
        assert_eq!((code(response.error_code), response.session_id), (expected, 0));
    }
}

#[tokio::test]
async fn fetch_of_no_partitions_waits_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let mut request = fetch_request("t", Uuid::default(), 0, 1);
    request.topics = Vec::<FetchTopic>::new();
    let response = client.call_at::<Fetch>(12, &request).await.unwrap();
    assert_eq!(response.responses.len(), 0);
    request.max_wait_ms = LONG_MS;
    client.send::<Fetch>(12, &request).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(50), client.receive::<Fetch>(12));
    assert!(answer.await.is_err());
}

#[tokio::test]
async fn offsets_are_listed_by_position_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    produce(&mut client, "t", batch(&["a", "b", "c"])).await;
    for version in ListOffsets::VERSIONS {
        for (timestamp, since, expected) in [
            (-1, 1, (0, 3, -1)),
            (-2, 1, (0, 0, -1)),
            (-3, 7, (0, 2, TIME_MS + 2)),
            (-4, 8, (0, 0, -1)),
            (-5, 9, (0, -1, -1)),
            (0, 1, (0, 0, TIME_MS)),
            (TIME_MS + 1, 1, (0, 1, TIME_MS + 1)),
            (TIME_MS + 3, 1, (0, -1, -1)),
        ] {
            let partition = ListOffsetsPartition { timestamp, ..Default::default() };
            let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
            let request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
            let response = client.call_at::<ListOffsets>(version, &request).await.unwrap();
            let found = &response.topics[0].partitions[0];
            if version < since {
                assert_eq!(code(found.error_code), ErrorCode::UnsupportedVersion);
            } else {
                let found = (found.error_code, found.offset, found.timestamp);
                assert_eq!(found, expected, "v{version} {timestamp}");
            }
        }
    }
}

#[tokio::test]
async fn end_of_the_running_epoch_is_the_end_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    produce(&mut client, "t", batch(&["a", "b"])).await;
    let epoch = broker.log.open_partition("t", 0).unwrap().leader_epoch();
    for version in OffsetForLeaderEpoch::VERSIONS {
        for (leader_epoch, expected) in [(epoch, (epoch, 2)), (epoch + 9, (-1, -1))] {
            let asked = OffsetForLeaderPartition { leader_epoch, ..Default::default() };
            let topic = OffsetForLeaderTopic { topic: "t".into(), partitions: vec![asked] };
            let request = OffsetForLeaderEpochRequest { topics: vec![topic], replica_id: -2 };
            let response = client.call_at::<OffsetForLeaderEpoch>(version, &request).await;
            let found = &response.unwrap().topics[0].partitions[0];
            assert_eq!((found.leader_epoch, found.end_offset), expected, "v{version}");
        }
    }
}
