use klamm_broker::kafka::KafkaOptions;
use klamm_kafka_proto::messages::fetch::Fetch;
use klamm_kafka_proto::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use klamm_kafka_proto::messages::init_producer_id::{InitProducerId, InitProducerIdRequest};
use klamm_kafka_proto::messages::metadata::{Metadata, MetadataRequest};
use klamm_kafka_proto::messages::produce::{PartitionProduceData, Produce};
use klamm_kafka_proto::records::{BatchBuilder, Compression};
use klamm_kafka_proto::{Api, ErrorCode, Uuid};

use crate::broker::*;

#[tokio::test]
async fn every_version_stores_the_bytes_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let id = create_topic(&mut client, "t", 1).await;
    for (offset, version) in Produce::VERSIONS.enumerate() {
        for acks in [-1, 1] {
            let offset = (2 * offset) as i64 + i64::from(acks == 1);
            let sent = batch(&["value"]);
            let request = produce_request("t", id, acks, sent.clone());
            let response = client.call_at::<Produce>(version, &request).await.unwrap();
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!((partition.error_code, partition.base_offset), (0, offset), "v{version}");
            assert_eq!(partition.log_append_time_ms, -1);
            // With acks=1 it is shown later than answered: once it is on stable storage.
            let request = fetch_request("t", id, offset, 600_000);
            let mut response = client.call_at::<Fetch>(12, &request).await.unwrap();
            let stored = response.responses[0].partitions.remove(0).records.unwrap();
            // All but base offset and leader epoch.
            assert_eq!(stored[..8], offset.to_be_bytes());
            assert_eq!((&stored[8..12], &stored[16..]), (&sent[8..12], &sent[16..]));
        }
    }
}

#[tokio::test]
async fn every_version_fetches_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let id = create_topic(&mut client, "t", 1).await;
    produce(&mut client, "t", batch(&["a", "b", "c"])).await;
    produce(&mut client, "t", batch(&["d"])).await;
    for version in Fetch::VERSIONS {
        // In the middle of a batch, the whole batch comes.
        let request = fetch_request("t", id, 1, 0);
        let response = client.call_at::<Fetch>(version, &request).await.unwrap();
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, 4), "v{version}");
        assert_eq!(partition.last_stable_offset, 4);
        let found = values(partition.records.as_ref().unwrap());
        assert_eq!(found, ["0:a", "1:b", "2:c", "3:d"], "v{version}");
    }
}

#[tokio::test]
async fn several_partitions_of_a_request_succeed_and_fail_each_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 2).await;
    let mut request = produce_request("t", Uuid::default(), -1, batch(&["a"]));
    let mut broken = batch(&["x"]).to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let more = [(1, batch(&["b"])), (2, batch(&["c"])), (-1, batch(&["d"])), (1, broken.into())];
    for (index, records) in more {
        let data = PartitionProduceData { index, records: Some(records) };
        request.topic_data[0].partition_data.push(data);
    }
    request.topic_data[0].partition_data.push(PartitionProduceData { index: 0, records: None });
    let response = client.call_at::<Produce>(12, &request).await.unwrap();
    let codes = response.responses[0].partition_responses.iter().map(|p| code(p.error_code));
    let expected = [
        ErrorCode::None,
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::CorruptMessage,
        ErrorCode::CorruptMessage,
    ];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    let refused = &response.responses[0].partition_responses[4];
    assert!(refused.error_message.as_ref().unwrap().contains("crc"), "{refused:?}");
    assert_eq!(broker.metrics.kafka_produce_failures.now(), 4);
    assert_eq!(broker.metrics.kafka_records_in.now(), 2);
}

#[tokio::test]
async fn idempotent_producer_may_repeat_itself_but_leave_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    let mut ids = Vec::new();
    for version in InitProducerId::VERSIONS {
        let request = InitProducerIdRequest { transaction_timeout_ms: 1, ..Default::default() };
        let given = client.call_at::<InitProducerId>(version, &request).await.unwrap();
        assert_eq!((given.error_code, given.producer_epoch), (0, 0));
        assert!(!ids.contains(&given.producer_id));
        ids.push(given.producer_id);
    }
    let id = ids[0];
    let first = produce(&mut client, "t", batch_of(id, 0, 0, &["a", "b"])).await;
    let second = produce(&mut client, "t", batch_of(id, 0, 2, &["c"])).await;
    let again = produce(&mut client, "t", batch_of(id, 0, 0, &["a", "b"])).await;
    let offsets = [first.base_offset, second.base_offset, again.base_offset];
    assert_eq!((offsets, again.error_code), ([0, 2, 0], 0));
    let gap = produce(&mut client, "t", batch_of(id, 0, 9, &["x"])).await;
    assert_eq!(code(gap.error_code), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(produce(&mut client, "t", batch_of(id, 1, 0, &["d"])).await.error_code, 0);
    let fenced = produce(&mut client, "t", batch_of(id, 0, 3, &["x"])).await;
    assert_eq!(code(fenced.error_code), ErrorCode::InvalidProducerEpoch);
    let stored = fetch(&mut client, "t", 0).await.records.unwrap();
    assert_eq!(values(&stored), ["0:a", "1:b", "2:c", "3:d"]);
}

#[tokio::test]
async fn idempotent_retry_over_a_restart_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    produce(&mut client, "t", batch_of(7, 0, 0, &["a"])).await;
    drop(client);
    broker.stop().await;
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let again = produce(&mut client, "t", batch_of(7, 0, 0, &["a"])).await;
    assert_eq!((again.error_code, again.base_offset), (0, 0));
    assert_eq!(fetch(&mut client, "t", 0).await.high_watermark, 1);
}

#[tokio::test]
async fn acks_0_gets_no_answer_and_a_failure_closes_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    let request = produce_request("t", Uuid::default(), 0, batch(&["a"]));
    client.send::<Produce>(9, &request).await.unwrap();
    // The next answer is that of the next request.
    assert_eq!(describe(&mut client, "t", false).await, (ErrorCode::None, 1));
    let request = produce_request("unknown", Uuid::default(), 0, batch(&["a"]));
    client.send::<Produce>(9, &request).await.unwrap();
    assert!(client.call::<Metadata>(&MetadataRequest::default()).await.is_err());
}

#[tokio::test]
async fn what_is_not_offered_is_refused_in_the_protocols_words() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let id = create_topic(&mut client, "t", 1).await;
    let mut request = produce_request("t", id, -1, batch(&["a"]));
    request.transactional_id = Some("tx".into());
    let response = client.call_at::<Produce>(9, &request).await.unwrap();
    let refused = code(response.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::TransactionalIdAuthorizationFailed);

    let request =
        InitProducerIdRequest { transactional_id: Some("tx".into()), ..Default::default() };
    let refused = client.call::<InitProducerId>(&request).await.unwrap();
    assert_eq!(code(refused.error_code), ErrorCode::TransactionalIdAuthorizationFailed);

    let request = FindCoordinatorRequest { key: "tx".into(), key_type: 1, ..Default::default() };
    let refused = client.call_at::<FindCoordinator>(3, &request).await.unwrap();
    assert_eq!(code(refused.error_code), ErrorCode::TransactionalIdAuthorizationFailed);
    assert!(refused.error_message.unwrap().contains("transactions are not offered yet"));

    let request = produce_request("t", id, 2, batch(&["a"]));
    let response = client.call_at::<Produce>(9, &request).await.unwrap();
    let refused = code(response.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::InvalidRequiredAcks);

    let zstd = build(BatchBuilder::new().compression(Compression::Zstd), &["a"]);
    let request = produce_request("t", id, -1, zstd.clone());
    let response = client.call_at::<Produce>(6, &request).await.unwrap();
    let refused = code(response.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::UnsupportedCompressionType);
    assert_eq!(produce(&mut client, "t", zstd).await.error_code, 0);

    let internal = produce(&mut client, "__consumer_offsets", batch(&["a"])).await;
    assert_eq!(code(internal.error_code), ErrorCode::InvalidTopicException);

    let request = produce_request("", Uuid([9; 16]), -1, batch(&["a"]));
    let response = client.call_at::<Produce>(13, &request).await.unwrap();
    let refused = code(response.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::UnknownTopicId);
}

#[tokio::test]
async fn metadata_makes_a_topic_only_when_both_sides_want_it() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let unknown = (ErrorCode::UnknownTopicOrPartition, 0);
    assert_eq!(describe(&mut client, "t", false).await, unknown);
    assert_eq!(describe(&mut client, "t", true).await, (ErrorCode::None, 4));
    let invalid = (ErrorCode::InvalidTopicException, 0);
    assert_eq!(describe(&mut client, "a/b", true).await, invalid);
    drop(client);
    broker.stop().await;

    let options = KafkaOptions { auto_create_topics: false, ..KafkaOptions::default() };
    let broker = Broker::start_with(folder.path(), options).await;
    let mut client = broker.client().await;
    assert_eq!(describe(&mut client, "u", true).await, unknown);
}

#[tokio::test]
async fn every_version_of_metadata_names_the_address_the_client_came_by() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 3).await;
    for version in Metadata::VERSIONS {
        let topics = (version == 0).then(Vec::new);
        let request = MetadataRequest { topics, ..Default::default() };
        let metadata = client.call_at::<Metadata>(version, &request).await.unwrap();
        let node = &metadata.brokers[0];
        let address = (&*node.host, node.port, node.node_id);
        assert_eq!(address, ("127.0.0.1", i32::from(broker.address.port()), 1));
        let topic = metadata.topics.iter().find(|topic| topic.name == Some("t".into())).unwrap();
        assert_eq!(topic.partitions.len(), 3, "v{version}");
        if version >= 1 {
            assert_eq!(metadata.controller_id, 1);
            // An empty list asks for none.
            let none = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
            let none = client.call_at::<Metadata>(version, &none).await.unwrap();
            assert_eq!(none.topics.len(), 0);
        }
    }
    drop(client);
    broker.stop().await;
    let advertised = Some(("klamm.example".to_owned(), 9999));
    let options = KafkaOptions { advertised, ..KafkaOptions::default() };
    let broker = Broker::start_with(folder.path(), options).await;
    let mut client = broker.client().await;
    let metadata = client.call::<Metadata>(&MetadataRequest::default()).await.unwrap();
    assert_eq!((&*metadata.brokers[0].host, metadata.brokers[0].port), ("klamm.example", 9999));
}
