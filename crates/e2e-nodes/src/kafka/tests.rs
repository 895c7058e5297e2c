use klamm_kafka_proto::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use klamm_kafka_proto::messages::describe_quorum::DescribeQuorumRequest;
use klamm_kafka_proto::messages::metadata::MetadataRequest;

use super::*;

fn here(running: &[i32]) -> Here {
    let peer = |id: &i32| {
        let (host, directory) = (format!("c-p-{id}-0"), Uuid([*id as u8; 16]));
        (*id, Peer { host, is_broker: true, is_controller: true, directory })
    };
    Here {
        cluster: ("ns".to_owned(), "c".to_owned()),
        by_controller: false,
        node: 0,
        properties: BTreeMap::from([("default.replication.factor".to_owned(), "2".to_owned())]),
        log_dir: Str::from_static("/d"),
        nodes: running.iter().map(peer).collect(),
    }
}

fn kafka() -> Kafka {
    let voters = (0..3).map(|id| (id, Uuid([id as u8; 16])));
    let mut kafka = Kafka::new("q1Sh-9_ISia_zwGINzRvyQ".to_owned(), voters.collect());
    (0..3).for_each(|id| kafka.register(id, &format!("c-p-{id}-0"), None));
    kafka
}

fn create(kafka: &mut Kafka, here: &Here, name: &'static str, replication_factor: i16) -> i16 {
    let topic = CreatableTopic {
        name: Str::from_static(name),
        num_partitions: 3,
        replication_factor,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let answer = answer(kafka, here, Request::CreateTopics(request));
    let Some(Response::CreateTopics(response)) = answer else { panic!("no answer") };
    response.topics[0].error_code
}

#[test]
fn replicas_of_nodes_that_do_not_run_are_not_in_sync() {
    let mut kafka = kafka();
    assert_eq!(create(&mut kafka, &here(&[0, 1, 2]), "orders", -1), 0);
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let answer = answer(&mut kafka, &here(&[0, 2]), Request::Metadata(request));
    let Some(Response::Metadata(response)) = answer else { panic!("no answer") };
    let partitions = &response.topics[0].partitions;
    let isr: Vec<_> = partitions.iter().map(|p| (p.leader_id, p.isr_nodes.clone())).collect();
    assert_eq!(partitions[0].replica_nodes, [0, 1]);
    assert_eq!(isr, [(0, vec![0]), (2, vec![2]), (2, vec![2, 0])]);
}

#[test]
fn topic_that_is_there_or_asks_too_much_is_refused() {
    let (mut kafka, here) = (kafka(), here(&[0, 1]));
    assert_eq!(create(&mut kafka, &here, "a", 2), 0);
    assert_eq!(create(&mut kafka, &here, "a", 2), ErrorCode::TopicAlreadyExists as i16);
    assert_eq!(create(&mut kafka, &here, "b", 3), ErrorCode::InvalidReplicationFactor as i16);
}

#[test]
fn leader_of_the_quorum_runs_and_a_voter_that_does_not_never_fetched() {
    let request = DescribeQuorumRequest { topics: Vec::new() };
    let answer = answer(&mut kafka(), &here(&[1, 2]), Request::DescribeQuorum(request));
    let Some(Response::DescribeQuorum(response)) = answer else { panic!("no answer") };
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.leader_id, 1);
    assert_eq!(partition.current_voters[0].last_fetch_timestamp, -1);
    assert!(partition.current_voters[1].last_fetch_timestamp > 0);
}
