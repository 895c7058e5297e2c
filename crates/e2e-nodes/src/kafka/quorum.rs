//! Who votes: DescribeQuorum, AddRaftVoter, RemoveRaftVoter.

use klamm_kafka_proto::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
use klamm_kafka_proto::messages::describe_quorum::{
    DescribeQuorumResponse, QuorumListener, QuorumNode, QuorumPartitionData, QuorumTopicData,
    ReplicaState,
};
use klamm_kafka_proto::messages::remove_raft_voter::{
    RemoveRaftVoterRequest, RemoveRaftVoterResponse,
};
use klamm_kafka_proto::{ErrorCode, Str, Uuid};

use super::{Here, Kafka};
use crate::world::now_ms;

/// Every node that runs has just fetched; one that does not never has.
pub fn describe(kafka: &Kafka, here: &Here) -> DescribeQuorumResponse {
    let now = i64::try_from(now_ms()).unwrap_or_default();
    let state = |id: i32, directory: Uuid| {
        let fetched = if here.nodes.contains_key(&id) { now } else { -1 };
        ReplicaState {
            replica_id: id,
            replica_directory_id: directory,
            log_end_offset: 1,
            last_fetch_timestamp: fetched,
            last_caught_up_timestamp: fetched,
        }
    };
    let others = here.nodes.iter().filter(|(id, _)| !kafka.voters.contains_key(id));
    let partition = QuorumPartitionData {
        leader_id: kafka.leader(here),
        leader_epoch: 1,
        high_watermark: 1,
        current_voters: kafka.voters.iter().map(|(id, directory)| state(*id, *directory)).collect(),
        observers: others.map(|(id, peer)| state(*id, peer.directory)).collect(),
        ..QuorumPartitionData::default()
    };
    let topic = QuorumTopicData {
        topic_name: Str::from_static("__cluster_metadata"),
        partitions: vec![partition],
    };
    let nodes = here.nodes.iter().filter(|(id, _)| kafka.voters.contains_key(id));
    let node = |(id, peer): (&i32, &super::Peer)| QuorumNode {
        node_id: *id,
        listeners: vec![QuorumListener {
            name: Str::from_static("CONTROLLER"),
            host: peer.host.as_str().into(),
            port: 9090,
        }],
    };
    let nodes = nodes.map(node).collect();
    DescribeQuorumResponse { topics: vec![topic], nodes, ..DescribeQuorumResponse::default() }
}

pub fn add(kafka: &mut Kafka, request: &AddRaftVoterRequest) -> AddRaftVoterResponse {
    let before = kafka.voters.insert(request.voter_id, request.voter_directory_id);
    let code = before.map_or(ErrorCode::None, |_| ErrorCode::DuplicateVoter);
    AddRaftVoterResponse { error_code: code as i16, ..AddRaftVoterResponse::default() }
}

pub fn remove(kafka: &mut Kafka, request: &RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
    let is_it = kafka.voters.get(&request.voter_id) == Some(&request.voter_directory_id);
    if is_it {
        kafka.voters.remove(&request.voter_id);
    }
    let code = if is_it { ErrorCode::None } else { ErrorCode::VoterNotFound };
    RemoveRaftVoterResponse { error_code: code as i16, ..RemoveRaftVoterResponse::default() }
}
