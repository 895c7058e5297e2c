//! Who votes on the cluster's metadata: DescribeQuorum, AddRaftVoter, RemoveRaftVoter (KIP-595, KIP-853).

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::add_raft_voter::{
    AddRaftVoter, AddRaftVoterRequest, RaftVoterListener,
};
use klamm_kafka_proto::messages::describe_quorum::{
    DescribeQuorum, DescribeQuorumRequest, DescribeQuorumResponse, QuorumNode, QuorumPartition,
    QuorumPartitionData, QuorumTopic, ReplicaState,
};
use klamm_kafka_proto::messages::remove_raft_voter::{RemoveRaftVoter, RemoveRaftVoterRequest};
use klamm_kafka_proto::{Str, Uuid};

use super::{Admin, To, moved_among, node, said, text};
use crate::KafkaError;

/// The metadata quorum as its leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The active controller.
    pub leader: Option<i32>,
    /// Rises with each election.
    pub leader_epoch: i32,
    /// Up to here records are committed.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<QuorumReplica>,
    /// Who follows without a vote: brokers, and controllers that are not voters.
    pub observers: Vec<QuorumReplica>,
    /// Where voters listen.
    pub listeners: BTreeMap<i32, Vec<VoterListener>>,
}

/// One that follows the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// The node.
    pub node: i32,
    /// Its metadata directory; all zero where Kafka does not know it (before Kafka 3.9, or a static quorum).
    pub directory: Uuid,
    /// Up to here it has the log; `None` when the leader does not know.
    pub log_end_offset: Option<i64>,
    /// How long ago it had everything the leader had, in milliseconds by the leader's clock; `None` for never since the leader leads.
    pub lag_ms: Option<u64>,
    /// How long ago it asked for records at all, in milliseconds by the leader's clock; `None` for never since the leader leads.
    pub silent_ms: Option<u64>,
}

/// A voter: a node with its metadata directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voter {
    /// The node.
    pub node: i32,
    /// Its metadata directory (`directory.id` in `meta.properties`).
    pub directory: Uuid,
}

/// Where a voter listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterListener {
    /// The listener's name, such as `CONTROLLER`.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The question for the quorum of the cluster's metadata.
pub fn describe_quorum_request() -> DescribeQuorumRequest {
    let topic = QuorumTopic {
        topic_name: Str::from_static("__cluster_metadata"),
        partitions: vec![QuorumPartition { partition_index: 0 }],
    };
    DescribeQuorumRequest { topics: vec![topic] }
}

impl Admin {
    /// The quorum. Waits for a leader up to the deadline.
    ///
    /// # Errors
    /// Of the connection or the controller.
    pub async fn describe_quorum(&mut self) -> Result<QuorumDescription, KafkaError> {
        let response =
            self.call::<DescribeQuorum>(To::Controller, &describe_quorum_request(), code).await?;
        let what = || "the metadata quorum".to_owned();
        said(response.error_code, response.error_message.as_ref(), what)?;
        let partition = response.topics.first().and_then(|topic| topic.partitions.first());
        let partition = partition.ok_or(KafkaError::Closed)?;
        said(partition.error_code, partition.error_message.as_ref(), what)?;
        Ok(describe(partition, &response.nodes))
    }

    /// Gives a controller a vote. It must follow already, and nearly have caught up. With `cluster_id` another cluster refuses.
    ///
    /// # Errors
    /// `DuplicateVoter` when the node votes already, with whatever directory; `RequestTimedOut` when it does not catch up.
    pub async fn add_raft_voter(
        &mut self,
        cluster_id: Option<&str>,
        voter: Voter,
        listeners: &[VoterListener],
    ) -> Result<(), KafkaError> {
        let listener = |listener: &VoterListener| RaftVoterListener {
            name: listener.name.as_str().into(),
            host: listener.host.as_str().into(),
            port: listener.port,
        };
        let request = AddRaftVoterRequest {
            cluster_id: cluster_id.map(Str::from),
            timeout_ms: self.timeout_ms(),
            voter_id: voter.node,
            voter_directory_id: voter.directory,
            listeners: listeners.iter().map(listener).collect(),
            ack_when_committed: true,
        };
        let response =
            self.call::<AddRaftVoter>(To::Controller, &request, |r| r.error_code).await?;
        said(response.error_code, response.error_message.as_ref(), || {
            format!("add voter {}", voter.node)
        })
    }

    /// Takes a controller's vote.
    ///
    /// # Errors
    /// `VoterNotFound` when there is none of that node and directory.
    pub async fn remove_raft_voter(
        &mut self,
        cluster_id: Option<&str>,
        voter: Voter,
    ) -> Result<(), KafkaError> {
        let request = RemoveRaftVoterRequest {
            cluster_id: cluster_id.map(Str::from),
            voter_id: voter.node,
            voter_directory_id: voter.directory,
        };
        let response =
            self.call::<RemoveRaftVoter>(To::Controller, &request, |r| r.error_code).await?;
        said(response.error_code, response.error_message.as_ref(), || {
            format!("remove voter {}", voter.node)
        })
    }
}

fn code(response: &DescribeQuorumResponse) -> i16 {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    moved_among([response.error_code].into_iter().chain(partitions.map(|p| p.error_code)))
}

fn describe(partition: &QuorumPartitionData, nodes: &[QuorumNode]) -> QuorumDescription {
    let now = now_ms(partition);
    let replicas = |states: &[ReplicaState]| {
        states.iter().map(|state| replica(state, partition.leader_id, now)).collect()
    };
    QuorumDescription {
        leader: node(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: replicas(&partition.current_voters),
        observers: replicas(&partition.observers),
        listeners: nodes.iter().map(|node| (node.node_id, listeners(node))).collect(),
    }
}

/// The leader's clock: it calls itself caught up now. One that leads and is being removed is no voter any more; then the last
/// thing that happened is as near as it gets.
fn now_ms(partition: &QuorumPartitionData) -> i64 {
    let states = || partition.current_voters.iter().chain(&partition.observers);
    let leader = states().find(|state| state.replica_id == partition.leader_id);
    let times =
        |state: &ReplicaState| state.last_caught_up_timestamp.max(state.last_fetch_timestamp);
    leader.map(times).or_else(|| states().map(times).max()).unwrap_or(-1)
}

fn replica(state: &ReplicaState, leader: i32, now_ms: i64) -> QuorumReplica {
    let since = |time_ms: i64| match state.replica_id == leader {
        true => Some(0),
        false => (time_ms >= 0).then(|| now_ms.saturating_sub(time_ms).max(0).unsigned_abs()),
    };
    QuorumReplica {
        node: state.replica_id,
        directory: state.replica_directory_id,
        log_end_offset: (state.log_end_offset >= 0).then_some(state.log_end_offset),
        lag_ms: since(state.last_caught_up_timestamp),
        silent_ms: since(state.last_fetch_timestamp),
    }
}

fn listeners(node: &QuorumNode) -> Vec<VoterListener> {
    let listener =
        |listener: &klamm_kafka_proto::messages::describe_quorum::QuorumListener| VoterListener {
            name: text(&listener.name),
            host: text(&listener.host),
            port: listener.port,
        };
    node.listeners.iter().map(listener).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(replica_id: i32, fetched: i64, caught_up: i64) -> ReplicaState {
        ReplicaState {
            replica_id,
            last_fetch_timestamp: fetched,
            last_caught_up_timestamp: caught_up,
            ..ReplicaState::default()
        }
    }

    fn described(leader_id: i32, current_voters: Vec<ReplicaState>) -> Vec<[Option<u64>; 2]> {
        let partition =
            QuorumPartitionData { leader_id, current_voters, ..QuorumPartitionData::default() };
        let voters = describe(&partition, &[]).voters;
        voters.iter().map(|voter| [voter.silent_ms, voter.lag_ms]).collect()
    }

    #[test]
    fn times_are_told_by_the_leaders_clock() {
        let voters = vec![state(1, -1, 10_000), state(2, 9_990, 9_500), state(3, -1, -1)];
        let expected = [[Some(0), Some(0)], [Some(10), Some(500)], [None, None]];
        assert_eq!(described(1, voters), expected);
    }

    #[test]
    fn leader_that_votes_no_more_leaves_the_last_fetch_as_the_clock() {
        let voters = vec![state(2, 10_000, 9_000), state(3, 9_000, 8_000)];
        assert_eq!(described(1, voters), [[Some(0), Some(1000)], [Some(1000), Some(2000)]]);
    }
}
