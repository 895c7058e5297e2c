use klamm_kafka::client::Client;
use klamm_kafka_proto::messages::alter_configs::{
    AlterConfigs, AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use klamm_kafka_proto::messages::create_partitions::{
    CreatePartitions, CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use klamm_kafka_proto::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopics, CreateTopicsRequest,
};
use klamm_kafka_proto::messages::delete_records::{
    DeleteRecords, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use klamm_kafka_proto::messages::delete_topics::{
    DeleteTopicState, DeleteTopics, DeleteTopicsRequest,
};
use klamm_kafka_proto::messages::describe_cluster::{DescribeCluster, DescribeClusterRequest};
use klamm_kafka_proto::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use klamm_kafka_proto::messages::describe_log_dirs::{DescribeLogDirs, DescribeLogDirsRequest};
use klamm_kafka_proto::messages::describe_topic_partitions::{
    DescribeTopicPartitions, DescribeTopicPartitionsRequest, TopicRequest,
};
use klamm_kafka_proto::messages::incremental_alter_configs::{
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterableConfig,
};
use klamm_kafka_proto::messages::list_partition_reassignments::{
    ListPartitionReassignments, ListPartitionReassignmentsRequest,
};
use klamm_kafka_proto::{Api, ApiKey, ErrorCode, Uuid};

use crate::broker::*;

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic {
        name: name.into(),
        num_partitions: -1,
        replication_factor: -1,
        ..Default::default()
    }
}

fn config(name: &str, value: &str) -> CreatableTopicConfig {
    CreatableTopicConfig { name: name.into(), value: Some(value.into()) }
}

async fn create(client: &mut Client, topic: CreatableTopic) -> CreatableTopicResult {
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    client.call::<CreateTopics>(&request).await.unwrap().topics.remove(0)
}

async fn configs(client: &mut Client, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    let mut response = client.call::<DescribeConfigs>(&request).await.unwrap();
    assert_eq!(response.results[0].error_code, 0);
    response.results.remove(0).configs
}

/// `(value, source)` of a topic's configuration.
async fn config_of(client: &mut Client, topic: &str, name: &str) -> (String, i8) {
    let found = configs(client, 2, topic).await.into_iter().find(|config| config.name == name);
    let found = found.unwrap();
    (found.value.unwrap().to_string(), found.config_source)
}

#[tokio::test]
async fn what_is_advertised_is_what_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let client = broker.client().await;
    let served = ApiKey::ALL.iter().filter(|key| client.version(**key).is_ok());
    let newest = served.map(|key| (client.version(*key).unwrap(), *key.versions().end()));
    let newest: Vec<_> = newest.collect();
    assert_eq!(newest.len(), 29);
    assert!(newest.iter().all(|(advertised, known)| advertised == known), "{newest:?}");
}

#[tokio::test]
async fn every_version_makes_and_deletes_topics() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    for version in CreateTopics::VERSIONS {
        let request = CreateTopicsRequest { topics: vec![topic("t")], ..Default::default() };
        let created = client.call_at::<CreateTopics>(version, &request).await.unwrap();
        let created = &created.topics[0];
        assert_eq!(created.error_code, 0, "v{version}");
        if version >= 5 {
            assert_eq!((created.num_partitions, created.replication_factor), (4, 1));
            assert!(created.configs.as_ref().unwrap().iter().any(|c| c.name == "retention.ms"));
        }
        let again = client.call_at::<CreateTopics>(version, &request).await.unwrap();
        assert_eq!(code(again.topics[0].error_code), ErrorCode::TopicAlreadyExists);
        let request = DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() };
        client.call_at::<DeleteTopics>(5, &request).await.unwrap();
    }
    for version in DeleteTopics::VERSIONS {
        for by_id in [false, version >= 6] {
            let id = create(&mut client, topic("t")).await.topic_id;
            let state = DeleteTopicState {
                name: (!by_id).then(|| "t".into()),
                topic_id: if by_id { id } else { Uuid::default() },
            };
            let request = DeleteTopicsRequest {
                topics: vec![state],
                topic_names: vec!["t".into()],
                ..Default::default()
            };
            let deleted = client.call_at::<DeleteTopics>(version, &request).await.unwrap();
            assert_eq!(deleted.responses[0].error_code, 0, "v{version}");
            let gone = client.call_at::<DeleteTopics>(version, &request).await.unwrap();
            let expected =
                if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
            assert_eq!(code(gone.responses[0].error_code), expected);
        }
    }
}

#[tokio::test]
async fn topics_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let assignment = |partition_index, broker| CreatableReplicaAssignment {
        partition_index,
        broker_ids: vec![broker],
    };
    for (asked, expected) in [
        (topic("a b"), ErrorCode::InvalidTopicException),
        (CreatableTopic { num_partitions: 0, ..topic("t") }, ErrorCode::InvalidPartitions),
        (
            CreatableTopic { replication_factor: 0, ..topic("t") },
            ErrorCode::InvalidReplicationFactor,
        ),
        (
            CreatableTopic { configs: vec![config("no.such", "1")], ..topic("t") },
            ErrorCode::InvalidConfig,
        ),
        (
            CreatableTopic { configs: vec![config("cleanup.policy", "compact")], ..topic("t") },
            ErrorCode::InvalidConfig,
        ),
        (
            CreatableTopic { assignments: vec![assignment(0, 2)], ..topic("t") },
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            CreatableTopic { assignments: vec![assignment(1, 1)], ..topic("t") },
            ErrorCode::InvalidReplicaAssignment,
        ),
    ] {
        let refused = create(&mut client, asked).await;
        assert_eq!(code(refused.error_code), expected);
        assert!(!refused.error_message.unwrap().is_empty());
    }
    let twice = CreateTopicsRequest { topics: vec![topic("t"), topic("t")], ..Default::default() };
    let refused = client.call::<CreateTopics>(&twice).await.unwrap().topics;
    assert_eq!((refused.len(), code(refused[0].error_code)), (1, ErrorCode::InvalidRequest));
    let looked =
        CreateTopicsRequest { topics: vec![topic("t")], validate_only: true, ..Default::default() };
    let looked = client.call::<CreateTopics>(&looked).await.unwrap();
    assert_eq!(looked.topics[0].error_code, 0);
    assert!(broker.log.find("t").is_none());

    // One copy is all there is: more are asked for in every tutorial.
    let many = CreatableTopic { replication_factor: 3, ..topic("t") };
    let clamped = create(&mut client, many).await;
    assert_eq!((clamped.error_code, clamped.replication_factor), (0, 1));
    let assigned = vec![assignment(1, 1), assignment(0, 1)];
    let assigned =
        create(&mut client, CreatableTopic { assignments: assigned, ..topic("u") }).await;
    assert_eq!((assigned.error_code, assigned.num_partitions), (0, 2));
    let internal = DeleteTopicsRequest {
        topic_names: vec!["__consumer_offsets".into()],
        ..Default::default()
    };
    let refused = client.call_at::<DeleteTopics>(5, &internal).await.unwrap();
    assert_eq!(code(refused.responses[0].error_code), ErrorCode::InvalidTopicException);
}

#[tokio::test]
async fn every_version_raises_the_number_of_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    for (count, version) in (2..).zip(CreatePartitions::VERSIONS) {
        let topic = CreatePartitionsTopic { name: "t".into(), count, assignments: None };
        let mut request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: true };
        for validate_only in [true, false] {
            request.validate_only = validate_only;
            let raised = client.call_at::<CreatePartitions>(version, &request).await.unwrap();
            assert_eq!(raised.results[0].error_code, 0);
        }
        let again = client.call_at::<CreatePartitions>(version, &request).await.unwrap();
        assert_eq!(code(again.results[0].error_code), ErrorCode::InvalidPartitions);
        assert_eq!(describe(&mut client, "t", false).await.1, count as usize);
    }
    let wrong = vec![CreatePartitionsAssignment { broker_ids: vec![2] }];
    let topic = CreatePartitionsTopic { name: "t".into(), count: 6, assignments: Some(wrong) };
    let request = CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
    let refused = client.call::<CreatePartitions>(&request).await.unwrap();
    assert_eq!(code(refused.results[0].error_code), ErrorCode::InvalidReplicaAssignment);
}

#[tokio::test]
async fn configs_are_described_with_defaults_and_sources() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let asked = CreatableTopic { configs: vec![config("retention.ms", "1000")], ..topic("t") };
    create(&mut client, asked).await;
    let all = configs(&mut client, 2, "t").await;
    let retention = all.iter().find(|config| config.name == "retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1000"), 1));
    let synonyms = retention.synonyms.iter().map(|s| (s.value.as_deref().unwrap(), s.source));
    assert_eq!(synonyms.collect::<Vec<_>>(), [("1000", 1), ("604800000", 5)]);
    assert_eq!(retention.config_type, 5);
    assert!(all.iter().all(|config| config.documentation.is_some() && !config.read_only));
    let own = configs(&mut client, 4, "1").await;
    let node = own.iter().find(|config| config.name == "node.id").unwrap();
    assert_eq!((node.value.as_deref(), node.read_only), (Some("1"), true));
    for version in DescribeConfigs::VERSIONS {
        let resource = |kind, name: &str| DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configuration_keys: Some(vec!["retention.ms".into()]),
        };
        let resources =
            vec![resource(2, "t"), resource(2, "u"), resource(4, "9"), resource(8, "1")];
        let request = DescribeConfigsRequest { resources, ..Default::default() };
        let results = client.call_at::<DescribeConfigs>(version, &request).await.unwrap().results;
        let codes: Vec<_> = results.iter().map(|result| code(result.error_code)).collect();
        let invalid = ErrorCode::InvalidRequest;
        let expected = [ErrorCode::None, ErrorCode::UnknownTopicOrPartition, invalid, invalid];
        assert_eq!(codes, expected);
        assert_eq!((results[0].configs.len(), results[0].configs[0].synonyms.len()), (1, 0));
    }
}

#[tokio::test]
async fn configs_are_changed_one_by_one_or_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create(&mut client, topic("t")).await;
    let change = |name: &str, config_operation, value: Option<&str>| IncrementalAlterableConfig {
        name: name.into(),
        config_operation,
        value: value.map(Into::into),
    };
    let request = |configs, validate_only| IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsResource {
            resource_type: 2,
            resource_name: "t".into(),
            configs,
        }],
        validate_only,
    };
    let ok = ErrorCode::None;
    let invalid = ErrorCode::InvalidConfig;
    let (set, default) = (("5000".to_owned(), 1), ("604800000".to_owned(), 5));
    for (configs, validate_only, told, now) in [
        (vec![change("retention.ms", 0, Some("5000"))], true, ok, &default),
        (vec![change("retention.ms", 0, Some("5000"))], false, ok, &set),
        (vec![change("retention.ms", 0, Some("much"))], false, invalid, &set),
        (vec![change("retention.ms", 0, None)], false, invalid, &set),
        (vec![change("retention.ms", 2, Some("1"))], false, invalid, &set),
        (vec![change("retention.ms", 9, Some("1"))], false, invalid, &set),
        (vec![change("cleanup.policy", 2, Some("compact"))], false, invalid, &set),
        (vec![change("cleanup.policy", 2, Some("delete"))], false, ok, &set),
        // All or none.
        (
            vec![change("retention.ms", 1, None), change("no.such", 0, Some("1"))],
            false,
            invalid,
            &set,
        ),
        (vec![change("retention.ms", 1, None)], false, ok, &default),
    ] {
        for version in IncrementalAlterConfigs::VERSIONS {
            let request = request(configs.clone(), validate_only);
            let altered = client.call_at::<IncrementalAlterConfigs>(version, &request).await;
            let altered = &altered.unwrap().responses[0];
            assert_eq!(code(altered.error_code), told, "{configs:?}");
        }
        assert_eq!(&config_of(&mut client, "t", "retention.ms").await, now, "{configs:?}");
    }
    for version in AlterConfigs::VERSIONS {
        for (name, value) in [("retention.ms", "7000"), ("segment.ms", "8000")] {
            let configs = vec![AlterableConfig { name: name.into(), value: Some(value.into()) }];
            let resource =
                AlterConfigsResource { resource_type: 2, resource_name: "t".into(), configs };
            let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
            let altered = client.call_at::<AlterConfigs>(version, &request).await.unwrap();
            assert_eq!(altered.responses[0].error_code, 0);
            assert_eq!(config_of(&mut client, "t", name).await, (value.to_owned(), 1));
        }
        // What the second did not name is as it was by default.
        assert_eq!(config_of(&mut client, "t", "retention.ms").await, default);
    }
}

#[tokio::test]
async fn every_version_gives_up_old_records() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 1).await;
    produce(&mut client, "t", batch(&["a", "b", "c", "d", "e"])).await;
    let request = |topic: &str, offset| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: topic.into(),
            partitions: vec![DeleteRecordsPartition { partition_index: 0, offset }],
        }],
        timeout_ms: 1000,
    };
    for (before, version) in (1..).zip(DeleteRecords::VERSIONS) {
        let deleted = client.call_at::<DeleteRecords>(version, &request("t", before)).await;
        let deleted = &deleted.unwrap().topics[0].partitions[0];
        assert_eq!((deleted.error_code, deleted.low_watermark), (0, before));
        assert_eq!(fetch(&mut client, "t", before).await.log_start_offset, before);
        let told = fetch(&mut client, "t", before - 1).await;
        assert_eq!(code(told.error_code), ErrorCode::OffsetOutOfRange);
    }
    for (topic, offset, expected) in [
        ("t", 6, ErrorCode::OffsetOutOfRange),
        ("unknown", 0, ErrorCode::UnknownTopicOrPartition),
        ("__consumer_offsets", 0, ErrorCode::InvalidTopicException),
        ("t", -1, ErrorCode::None),
    ] {
        let deleted = client.call::<DeleteRecords>(&request(topic, offset)).await.unwrap();
        assert_eq!(code(deleted.topics[0].partitions[0].error_code), expected);
    }
}

#[tokio::test]
async fn cluster_and_its_disk_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "t", 2).await;
    produce(&mut client, "t", batch(&["a"])).await;
    for version in DescribeCluster::VERSIONS {
        let request = DescribeClusterRequest::default();
        let cluster = client.call_at::<DescribeCluster>(version, &request).await.unwrap();
        assert_eq!((cluster.controller_id, cluster.brokers.len()), (1, 1));
        assert_eq!(&*cluster.cluster_id, broker.log.cluster_id());
    }
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
    let refused = client.call_at::<DescribeCluster>(1, &controllers).await.unwrap();
    assert_eq!(code(refused.error_code), ErrorCode::UnsupportedEndpointType);
    for version in DescribeLogDirs::VERSIONS {
        let request = DescribeLogDirsRequest { topics: None };
        let answer = client.call_at::<DescribeLogDirs>(version, &request).await.unwrap();
        let found = answer.results[0].topics.iter().find(|topic| topic.name == "t").unwrap();
        let sizes: Vec<i64> = found.partitions.iter().map(|p| p.partition_size).collect();
        assert!(sizes[0] > 0, "{sizes:?}");
        assert_eq!(sizes[1], 0);
    }
    let request = ListPartitionReassignmentsRequest::default();
    let none = client.call::<ListPartitionReassignments>(&request).await.unwrap();
    assert_eq!((none.error_code, none.topics.len()), (0, 0));
}

#[tokio::test]
async fn topics_are_described_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    create_topic(&mut client, "a", 3).await;
    create_topic(&mut client, "b", 2).await;
    let topics = ["b", "missing", "a"].map(|name| TopicRequest { name: name.into() });
    let mut request = DescribeTopicPartitionsRequest {
        topics: topics.into(),
        response_partition_limit: 2,
        ..Default::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = client.call::<DescribeTopicPartitions>(&request).await.unwrap();
        let topics = page.topics.iter().map(|topic| {
            let indices = topic.partitions.iter().map(|p| p.partition_index).collect::<Vec<_>>();
            (topic.name.as_deref().unwrap().to_owned(), code(topic.error_code), indices)
        });
        pages.push(topics.collect::<Vec<_>>());
        match page.next_cursor.0 {
            None => break,
            cursor => request.cursor = klamm_kafka_proto::Nullable(cursor),
        }
    }
    let seen = |name: &str, indices: &[i32]| (name.to_owned(), ErrorCode::None, indices.to_vec());
    let missing = ("missing".to_owned(), ErrorCode::UnknownTopicOrPartition, vec![]);
    let expected = [
        vec![seen("a", &[0, 1])],
        vec![seen("a", &[2]), seen("b", &[0])],
        vec![seen("b", &[1]), missing],
    ];
    assert_eq!(pages, expected);
}
