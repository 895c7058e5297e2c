use std::time::Duration;

use bytes::Bytes;
use klamm_broker::kafka::KafkaOptions;
use klamm_kafka::client::Client;
use klamm_kafka_proto::messages::delete_groups::{DeleteGroups, DeleteGroupsRequest};
use klamm_kafka_proto::messages::describe_groups::{DescribeGroups, DescribeGroupsRequest};
use klamm_kafka_proto::messages::find_coordinator::{FindCoordinator, FindCoordinatorRequest};
use klamm_kafka_proto::messages::heartbeat::{Heartbeat, HeartbeatRequest};
use klamm_kafka_proto::messages::join_group::{
    JoinGroup, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse,
};
use klamm_kafka_proto::messages::leave_group::{LeaveGroup, LeaveGroupRequest, LeavingMember};
use klamm_kafka_proto::messages::list_groups::{ListGroups, ListGroupsRequest};
use klamm_kafka_proto::messages::sync_group::{
    SyncGroup, SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse,
};
use klamm_kafka_proto::{Api, ErrorCode, Str};

use crate::broker::*;

/// A client that is, or wants to be, a member of a group.
pub(crate) struct Consumer {
    pub(crate) client: Client,
    pub(crate) group: &'static str,
    pub(crate) instance: Option<&'static str>,
    pub(crate) member_id: Str,
    pub(crate) generation: i32,
}

impl Consumer {
    pub(crate) async fn new(
        broker: &Broker,
        group: &'static str,
        instance: Option<&'static str>,
    ) -> Self {
        let client = broker.client().await;
        Self { client, group, instance, member_id: Str::default(), generation: -1 }
    }

    fn request(&self) -> JoinGroupRequest {
        let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\0\0\0\0");
        JoinGroupRequest {
            group_id: self.group.into(),
            // The longest there is: a slow machine must not lose a member.
            session_timeout_ms: 1_800_000,
            rebalance_timeout_ms: 60_000,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance.map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupProtocol { name: "range".into(), metadata }],
            ..Default::default()
        }
    }

    /// Sends a JoinGroup as a member already invited.
    pub(crate) async fn ask(&mut self) {
        if self.member_id.is_empty() && self.instance.is_none() {
            let invited = self.client.call::<JoinGroup>(&self.request()).await.unwrap();
            assert_eq!(code(invited.error_code), ErrorCode::MemberIdRequired);
            self.member_id = invited.member_id;
        }
        let version = self.client.version(JoinGroup::KEY).unwrap();
        self.client.send::<JoinGroup>(version, &self.request()).await.unwrap();
    }

    pub(crate) async fn joined(&mut self) -> JoinGroupResponse {
        let version = self.client.version(JoinGroup::KEY).unwrap();
        let response = self.client.receive::<JoinGroup>(version).await.unwrap();
        assert_eq!(response.error_code, 0);
        self.member_id = response.member_id.clone();
        self.generation = response.generation_id;
        response
    }

    /// Syncs; the leader gives each member its own id to read.
    pub(crate) async fn sync(&mut self, joined: &JoinGroupResponse) -> SyncGroupResponse {
        let assignment = |id: &Str| SyncGroupAssignment {
            member_id: id.clone(),
            assignment: Bytes::copy_from_slice(id.as_bytes()),
        };
        let request = SyncGroupRequest {
            group_id: self.group.into(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance.map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: joined.members.iter().map(|m| assignment(&m.member_id)).collect(),
        };
        self.client.call::<SyncGroup>(&request).await.unwrap()
    }

    pub(crate) async fn heartbeat(&mut self) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: self.group.into(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance.map(Into::into),
        };
        code(self.client.call::<Heartbeat>(&request).await.unwrap().error_code)
    }

    pub(crate) async fn leave(&mut self) -> ErrorCode {
        let member = LeavingMember {
            member_id: self.member_id.clone(),
            group_instance_id: self.instance.map(Into::into),
            reason: Some("test".into()),
        };
        let request = LeaveGroupRequest {
            group_id: self.group.into(),
            members: vec![member],
            ..Default::default()
        };
        let left = self.client.call::<LeaveGroup>(&request).await.unwrap();
        code(left.members[0].error_code)
    }
}

/// Everyone, known to a group that rebalances or alone in it, joins the next generation and syncs.
pub(crate) async fn settle(consumers: &mut [Consumer]) {
    for consumer in &mut *consumers {
        consumer.ask().await;
    }
    finish(consumers).await;
}

/// A newcomer joins, the others learn of it and join again.
async fn grow(consumers: &mut Vec<Consumer>, mut newcomer: Consumer) {
    newcomer.ask().await;
    for known in &mut *consumers {
        while known.heartbeat().await != ErrorCode::RebalanceInProgress {}
        known.ask().await;
    }
    consumers.push(newcomer);
    finish(consumers).await;
}

async fn finish(consumers: &mut [Consumer]) {
    let mut joined = Vec::new();
    for consumer in &mut *consumers {
        joined.push(consumer.joined().await);
    }
    let led: Vec<usize> = joined.iter().map(|j| j.members.len()).filter(|led| *led > 0).collect();
    let expected = if consumers.is_empty() { vec![] } else { vec![consumers.len()] };
    assert_eq!(led, expected, "one leads, and sees everyone");
    // The leader first: the others would wait for it.
    for leads in [true, false] {
        for (consumer, joined) in consumers.iter_mut().zip(&joined) {
            if (joined.leader == consumer.member_id) == leads {
                let synced = consumer.sync(joined).await;
                assert_eq!(synced.error_code, 0);
                assert_eq!(synced.assignment, consumer.member_id.as_bytes());
            }
        }
    }
    for consumer in &mut *consumers {
        assert_eq!(consumer.heartbeat().await, ErrorCode::None);
    }
}

async fn describe_group(client: &mut Client, version: i16, group: &str) -> (i16, String, usize) {
    let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
    let response = client.call_at::<DescribeGroups>(version, &request).await.unwrap();
    let group = &response.groups[0];
    (group.error_code, group.group_state.to_string(), group.members.len())
}

#[tokio::test]
async fn three_members_join_and_leave() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut group = vec![Consumer::new(&broker, "g", None).await];
    settle(&mut group).await;
    for _ in 0..2 {
        let newcomer = Consumer::new(&broker, "g", None).await;
        grow(&mut group, newcomer).await;
    }
    let mut client = broker.client().await;
    assert_eq!(describe_group(&mut client, 5, "g").await, (0, "Stable".to_owned(), 3));
    while let Some(mut leaving) = group.pop() {
        assert_eq!(leaving.leave().await, ErrorCode::None);
        for known in &mut group {
            assert_eq!(known.heartbeat().await, ErrorCode::RebalanceInProgress);
        }
        settle(&mut group).await;
    }
    assert_eq!(describe_group(&mut client, 5, "g").await, (0, "Empty".to_owned(), 0));
}

#[tokio::test]
async fn members_go_on_after_a_restart_without_a_rebalance() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut group = vec![Consumer::new(&broker, "g", None).await];
    settle(&mut group).await;
    let newcomer = Consumer::new(&broker, "g", Some("instance")).await;
    grow(&mut group, newcomer).await;
    let generation = group[0].generation;
    let stopped: Vec<_> =
        group.into_iter().map(|consumer| (consumer.member_id, consumer.instance)).collect();
    broker.stop().await;

    let broker = Broker::start(folder.path()).await;
    for (member_id, instance) in stopped {
        let mut consumer = Consumer::new(&broker, "g", instance).await;
        (consumer.member_id, consumer.generation) = (member_id, generation);
        assert_eq!(consumer.heartbeat().await, ErrorCode::None);
    }
    // A static member that lost its member id gets another one in the same generation.
    let mut consumer = Consumer::new(&broker, "g", Some("instance")).await;
    consumer.ask().await;
    assert_eq!(consumer.joined().await.generation_id, generation);
}

#[tokio::test]
async fn every_version_joins_syncs_beats_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    for version in JoinGroup::VERSIONS {
        let mut consumer = Consumer::new(&broker, "g", None).await;
        let mut request = consumer.request();
        let mut joined = consumer.client.call_at::<JoinGroup>(version, &request).await.unwrap();
        if version >= 4 {
            assert_eq!(code(joined.error_code), ErrorCode::MemberIdRequired);
            request.member_id = joined.member_id;
            joined = consumer.client.call_at::<JoinGroup>(version, &request).await.unwrap();
        }
        assert_eq!(joined.error_code, 0, "v{version}");
        consumer.member_id = joined.member_id.clone();
        consumer.generation = joined.generation_id;
        let assignment = Bytes::from_static(b"all");
        let member_id = consumer.member_id.clone();
        let sync = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: joined.generation_id,
            member_id: member_id.clone(),
            assignments: vec![SyncGroupAssignment { member_id, assignment: assignment.clone() }],
            ..Default::default()
        };
        let at = version.min(*SyncGroup::VERSIONS.end());
        let synced = consumer.client.call_at::<SyncGroup>(at, &sync).await.unwrap();
        assert_eq!((synced.error_code, synced.assignment), (0, assignment));
        let beat = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: joined.generation_id,
            member_id: consumer.member_id.clone(),
            ..Default::default()
        };
        let at = version.min(*Heartbeat::VERSIONS.end());
        let told = consumer.client.call_at::<Heartbeat>(at, &beat).await.unwrap();
        assert_eq!(told.error_code, 0);
        let member_id = consumer.member_id.clone();
        let leave = LeaveGroupRequest {
            group_id: "g".into(),
            member_id: member_id.clone(),
            members: vec![LeavingMember { member_id, ..Default::default() }],
        };
        let at = version.min(*LeaveGroup::VERSIONS.end());
        let left = consumer.client.call_at::<LeaveGroup>(at, &leave).await.unwrap();
        assert_eq!((left.error_code, left.members.iter().any(|m| m.error_code != 0)), (0, false));
    }
}

#[tokio::test]
async fn coordinator_of_every_group_is_the_one_broker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut client = broker.client().await;
    let port = i32::from(broker.address.port());
    for version in FindCoordinator::VERSIONS {
        let request = FindCoordinatorRequest {
            key: "g".into(),
            coordinator_keys: vec!["g".into(), "h".into()],
            ..Default::default()
        };
        let found = client.call_at::<FindCoordinator>(version, &request).await.unwrap();
        if version < 4 {
            assert_eq!((found.error_code, &*found.host, found.port), (0, "127.0.0.1", port));
        } else {
            let ports: Vec<i32> = found.coordinators.iter().map(|c| c.port).collect();
            assert_eq!(ports, [port, port]);
        }
    }
}

#[tokio::test]
async fn groups_are_listed_described_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).await;
    let mut group = vec![Consumer::new(&broker, "g", None).await];
    settle(&mut group).await;
    let mut client = broker.client().await;
    for version in ListGroups::VERSIONS {
        let listed = client.call_at::<ListGroups>(version, &ListGroupsRequest::default()).await;
        let listed = listed.unwrap().groups;
        assert_eq!((&*listed[0].group_id, &*listed[0].protocol_type), ("g", "consumer"));
    }
    for (state, kind, expected) in
        [("stable", "", 1), ("Empty", "", 0), ("", "classic", 1), ("", "consumer", 0)]
    {
        let filter = |word: &str| match word {
            "" => Vec::new(),
            word => vec![word.into()],
        };
        let request =
            ListGroupsRequest { states_filter: filter(state), types_filter: filter(kind) };
        let listed = client.call_at::<ListGroups>(5, &request).await.unwrap();
        assert_eq!(listed.groups.len(), expected, "{state} {kind}");
    }
    for version in DescribeGroups::VERSIONS {
        assert_eq!(describe_group(&mut client, version, "g").await, (0, "Stable".to_owned(), 1));
        let (missing, state, _) = describe_group(&mut client, version, "unknown").await;
        let expected = if version < 6 { ErrorCode::None } else { ErrorCode::GroupIdNotFound };
        assert_eq!((code(missing), &*state), (expected, "Dead"));
    }
    let delete = DeleteGroupsRequest { groups_names: vec!["g".into(), "unknown".into()] };
    let deleted = client.call_at::<DeleteGroups>(0, &delete).await.unwrap().results;
    let codes: Vec<_> = deleted.iter().map(|result| code(result.error_code)).collect();
    assert_eq!(codes, [ErrorCode::NonEmptyGroup, ErrorCode::GroupIdNotFound]);
    group[0].leave().await;
    for version in DeleteGroups::VERSIONS {
        let deleted = client.call_at::<DeleteGroups>(version, &delete).await.unwrap().results;
        let expected = if version == 0 { ErrorCode::None } else { ErrorCode::GroupIdNotFound };
        assert_eq!(code(deleted[0].error_code), expected);
    }
    assert_eq!(broker.metrics.kafka_groups.now(), 0);
}

#[tokio::test]
async fn what_a_group_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = KafkaOptions { groups_max: 1, ..KafkaOptions::default() };
    let broker = Broker::start_with(folder.path(), options).await;
    let mut consumer = Consumer::new(&broker, "g", None).await;
    let good = consumer.request();
    for (request, expected) in [
        (JoinGroupRequest { group_id: "".into(), ..good.clone() }, ErrorCode::InvalidGroupId),
        (
            JoinGroupRequest { session_timeout_ms: 5_999, ..good.clone() },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinGroupRequest { session_timeout_ms: -1, ..good.clone() },
            ErrorCode::InvalidSessionTimeout,
        ),
        (JoinGroupRequest { member_id: "x".into(), ..good.clone() }, ErrorCode::UnknownMemberId),
        (
            JoinGroupRequest { protocols: Vec::new(), ..good.clone() },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (good.clone(), ErrorCode::MemberIdRequired),
        (JoinGroupRequest { group_id: "h".into(), ..good }, ErrorCode::GroupMaxSizeReached),
    ] {
        let refused = consumer.client.call::<JoinGroup>(&request).await.unwrap();
        assert_eq!(code(refused.error_code), expected);
    }
    consumer.member_id = "nobody".into();
    assert_eq!(consumer.heartbeat().await, ErrorCode::UnknownMemberId);
    assert_eq!(consumer.leave().await, ErrorCode::UnknownMemberId);
}

#[tokio::test]
async fn member_that_falls_silent_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let session_timeout_min = Duration::from_millis(1);
    let options = KafkaOptions { session_timeout_min, ..KafkaOptions::default() };
    let broker = Broker::start_with(folder.path(), options).await;
    let mut consumer = Consumer::new(&broker, "g", None).await;
    let request = JoinGroupRequest { session_timeout_ms: 1, ..consumer.request() };
    let joined = consumer.client.call_at::<JoinGroup>(3, &request).await.unwrap();
    assert_eq!(joined.error_code, 0);
    let mut client = broker.client().await;
    while describe_group(&mut client, 5, "g").await.1 != "Empty" {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.metrics.kafka_rebalances.now(), 2);
}
