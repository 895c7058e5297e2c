//! A dynamic quorum (KIP-853), by way of controllers alone.

use klamm_kafka::admin::{Admin, Endpoint, QuorumDescription, Voter, VoterListener};
use klamm_kafka::security::Security;
use klamm_kafka_proto::{ErrorCode, Uuid};
use klamm_testkit::{KafkaNode, NodeOptions, Peers, Skip};

use crate::cluster::{admin, block_on, until};

/// From Kafka's 22 characters.
fn uuid(text: &str) -> Uuid {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits = text.bytes().fold((0_u128, 0), |(bits, count), c| match count {
        21 => (bits << 2 | u128::from(value(c) >> 4), 22),
        _ => (bits << 6 | u128::from(value(c)), count + 1),
    });
    Uuid(bits.0.to_be_bytes())
}

fn voter(node: &KafkaNode) -> Voter {
    Voter { node: node.id(), directory: uuid(&node.directory_id()) }
}

fn listener(node: &KafkaNode) -> VoterListener {
    let address = node.address("CONTROLLER");
    let (host, port) = address.split_once(':').expect("host and port");
    let port = port.parse().expect("a port");
    VoterListener { name: "CONTROLLER".into(), host: host.into(), port }
}

fn voters(quorum: &QuorumDescription) -> Vec<i32> {
    let mut voters: Vec<_> = quorum.voters.iter().map(|voter| voter.node).collect();
    voters.sort_unstable();
    voters
}

pub(crate) fn voters_come_and_go(peers: &Peers) -> Result<(), Skip> {
    let first = NodeOptions::controller(1, true);
    let second = NodeOptions::controller(2, false).with_controllers(&[&first]);
    let mut nodes = KafkaNode::start_all(peers, &[first.clone(), second.clone()])?;
    let servers = format!("{},{}", first.address("CONTROLLER"), second.address("CONTROLLER"));
    let mut admin = admin(&servers, Endpoint::Controllers, Security::default());
    block_on(async {
        joins(&mut admin, &nodes[1]).await;
        leader_leaves(&mut admin, &nodes).await;
    });
    // What was kept of it is stale now.
    nodes[1].stop(false);
    nodes[1].start_again();
    block_on(async {
        let mut admin = admin;
        let quorum = admin.describe_quorum().await.expect("found again");
        assert_eq!((quorum.leader, voters(&quorum)), (Some(2), vec![2]));
    });
    Ok(())
}

async fn joins(admin: &mut Admin, second: &KafkaNode) {
    let new = voter(second);
    let is_seen = |quorum: &QuorumDescription| {
        let observer = quorum.observers.iter().find(|observer| observer.node == new.node);
        observer.is_some_and(|o| o.directory == new.directory && o.silent_ms.is_some())
    };
    let what = "the second controller follows";
    let quorum = until(what, async || admin.describe_quorum().await, is_seen).await;
    assert_eq!((quorum.leader, voters(&quorum)), (Some(1), vec![1]));
    assert_eq!((quorum.voters[0].lag_ms, quorum.voters[0].silent_ms), (Some(0), Some(0)));
    assert_eq!(quorum.listeners[&1].len(), 1);

    let listeners = [listener(second)];
    let other = admin.add_raft_voter(Some("another"), new, &listeners).await.unwrap_err();
    assert_eq!(other.code(), Some(ErrorCode::InconsistentClusterId), "{other}");
    let cluster = admin.describe_cluster().await.unwrap();
    assert_eq!(cluster.controller, Some(1));
    let id = Some(cluster.cluster_id.as_str());
    // Refused while it lags behind; a first try whose answer was lost has given it the vote.
    let given = async || match admin.add_raft_voter(id, new, &listeners).await {
        Err(error) if error.code() == Some(ErrorCode::DuplicateVoter) => Ok(()),
        outcome => outcome,
    };
    until("the vote", given, |()| true).await;
    let quorum = admin.describe_quorum().await.unwrap();
    assert_eq!(voters(&quorum), [1, 2]);
    assert_eq!(quorum.listeners[&2], listeners);
    let again = admin.add_raft_voter(None, new, &listeners).await.unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::DuplicateVoter), "{again}");
    assert!(!again.is_retryable());
}

async fn leader_leaves(admin: &mut Admin, nodes: &[KafkaNode]) {
    let first = voter(&nodes[0]);
    let unknown = Voter { node: 9, ..first };
    let refused = admin.remove_raft_voter(None, unknown).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::VoterNotFound), "{refused}");
    admin.remove_raft_voter(None, first).await.unwrap();
    let has_left = |quorum: &QuorumDescription| voters(quorum) == [2] && quorum.leader == Some(2);
    until("the second leads alone", async || admin.describe_quorum().await, has_left).await;
    let cluster = admin.describe_cluster().await.unwrap();
    assert_eq!(cluster.controller, Some(2));
}
