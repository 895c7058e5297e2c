//! Dialogues with one group, time moved by hand.

use klamm_kafka_proto::messages::join_group::{JoinGroupProtocol, JoinGroupRequest};
use klamm_kafka_proto::messages::sync_group::{SyncGroupAssignment, SyncGroupRequest};

use super::*;

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

/// A group, the time, and a number for each request.
struct Dialogue {
    group: Group<u32>,
    now_ms: i64,
    next: u32,
    said: Vec<Said>,
}

#[derive(Debug, Clone, PartialEq)]
enum Said {
    Join(u32, Box<JoinGroupResponse>),
    Sync(u32, SyncGroupResponse),
    Store,
}

fn join_request(member_id: &str, protocols: &[(&str, &str)]) -> JoinGroupRequest {
    let protocol = |(name, metadata): &(&str, &str)| JoinGroupProtocol {
        name: (*name).into(),
        metadata: Bytes::copy_from_slice(metadata.as_bytes()),
    };
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        member_id: member_id.into(),
        protocol_type: "consumer".into(),
        protocols: protocols.iter().map(protocol).collect(),
        ..Default::default()
    }
}

fn code(code: ErrorCode) -> i16 {
    code as i16
}

impl Dialogue {
    fn new() -> Self {
        Self { group: Group::new(0, 100), now_ms: 0, next: 0, said: Vec::new() }
    }

    fn listen(&mut self) {
        while let Some(output) = self.group.poll_output() {
            self.said.push(match output {
                Output::Join(to, response) => Said::Join(to, Box::new(response)),
                Output::Sync(to, response) => Said::Sync(to, response),
                Output::Store => Said::Store,
            });
        }
    }

    fn join_as(&mut self, version: i16, new_id: &str, request: &JoinGroupRequest) -> u32 {
        self.next += 1;
        let joiner = Joiner {
            request,
            version,
            client_id: "client",
            client_host: "/127.0.0.1",
            new_member_id: new_id.into(),
        };
        self.group.handle_join(self.now_ms, &joiner, self.next);
        self.listen();
        self.next
    }

    /// A new dynamic member of before the second join.
    fn join(&mut self, id: &str) -> u32 {
        self.join_as(3, id, &join_request("", &[("range", "r")]))
    }

    fn rejoin(&mut self, id: &str) -> u32 {
        self.join_as(3, "unused", &join_request(id, &[("range", "r")]))
    }

    fn join_static(&mut self, version: i16, new_id: &str, instance: &str) -> u32 {
        let mut request = join_request("", &[("range", "r")]);
        request.group_instance_id = Some(instance.into());
        self.join_as(version, new_id, &request)
    }

    fn sync(&mut self, id: &str, assignments: &[(&str, &str)]) -> u32 {
        self.next += 1;
        let assignment = |(member, assignment): &(&str, &str)| SyncGroupAssignment {
            member_id: (*member).into(),
            assignment: Bytes::copy_from_slice(assignment.as_bytes()),
        };
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: self.group.generation(),
            member_id: id.into(),
            assignments: assignments.iter().map(assignment).collect(),
            ..Default::default()
        };
        self.group.handle_sync(self.now_ms, &request, self.next);
        self.listen();
        self.next
    }

    fn stored(&mut self) {
        self.group.handle_stored(self.now_ms, self.group.generation(), true);
        self.listen();
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        self.group.handle_time(self.now_ms);
        self.listen();
    }

    fn heartbeat(&mut self, id: &str) -> ErrorCode {
        let generation = self.group.generation();
        self.group.handle_heartbeat(self.now_ms, id, None, generation)
    }

    fn leave(&mut self, id: &str, instance: Option<&str>) -> ErrorCode {
        let left = self.group.handle_leave(self.now_ms, id, instance);
        self.listen();
        left
    }

    fn joined(&self, asked: u32) -> Option<&JoinGroupResponse> {
        self.said.iter().find_map(|said| match said {
            Said::Join(to, response) if *to == asked => Some(&**response),
            _ => None,
        })
    }

    fn synced(&self, asked: u32) -> Option<&SyncGroupResponse> {
        self.said.iter().find_map(|said| match said {
            Said::Sync(to, response) if *to == asked => Some(response),
            _ => None,
        })
    }

    /// Two members, "a" leading, stable.
    fn pair() -> Self {
        let mut dialogue = Self::new();
        dialogue.join("a");
        dialogue.join("b");
        dialogue.rejoin("a");
        dialogue.sync("a", &[("a", "left"), ("b", "right")]);
        dialogue.stored();
        dialogue.sync("b", &[]);
        assert_eq!(dialogue.group.state(), State::Stable);
        dialogue.said.clear();
        dialogue
    }
}

#[test]
fn first_member_leads_without_delay() {
    let mut d = Dialogue::new();
    let join = d.join("a");
    let joined = d.joined(join).unwrap();
    assert_eq!((joined.generation_id, &*joined.leader, &*joined.member_id), (1, "a", "a"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(d.group.state(), State::CompletingRebalance);
}

#[test]
fn assignments_are_told_only_after_they_are_stored() {
    let mut d = Dialogue::new();
    d.join("a");
    d.join("b");
    d.rejoin("a");
    let follower = d.sync("b", &[]);
    let leader = d.sync("a", &[("a", "left"), ("b", "right")]);
    assert_eq!(d.said.last(), Some(&Said::Store));
    assert_eq!((d.synced(leader), d.synced(follower)), (None, None));
    d.stored();
    assert_eq!(d.synced(leader).unwrap().assignment, "left");
    assert_eq!(d.synced(follower).unwrap().assignment, "right");
    assert_eq!(d.group.state(), State::Stable);
}

#[test]
fn assignment_that_cannot_be_stored_leads_to_another_rebalance() {
    let mut d = Dialogue::new();
    d.join("a");
    let sync = d.sync("a", &[("a", "all")]);
    d.group.handle_stored(0, 1, false);
    d.listen();
    assert_eq!(d.synced(sync).unwrap().error_code, code(ErrorCode::CoordinatorNotAvailable));
    assert_eq!(d.group.state(), State::PreparingRebalance);
}

#[test]
fn new_member_joins_twice_since_version_4() {
    let mut d = Dialogue::new();
    let first = d.join_as(4, "a", &join_request("", &[("range", "r")]));
    let told = d.joined(first).unwrap();
    assert_eq!(told.error_code, code(ErrorCode::MemberIdRequired));
    assert_eq!(&*told.member_id, "a");
    assert_eq!(d.group.state(), State::Empty);
    let second = d.join_as(4, "x", &join_request("a", &[("range", "r")]));
    assert_eq!(d.joined(second).unwrap().error_code, 0);
}

#[test]
fn first_generation_waits_for_everyone_invited() {
    let mut d = Dialogue::new();
    let range = [("range", "r")];
    for id in ["a", "b", "c"] {
        d.join_as(4, id, &join_request("", &range));
    }
    let joins = ["a", "b", "c"].map(|id| d.join_as(4, "x", &join_request(id, &range)));
    let generations = joins.map(|join| d.joined(join).map(|joined| joined.generation_id));
    assert_eq!(generations, [Some(1); 3]);
    assert_eq!(d.group.members().len(), 3);
}

#[test]
fn invited_member_that_never_comes_is_not_waited_for_long() {
    let mut d = Dialogue::pair();
    d.join_as(4, "lost", &join_request("", &[("range", "r")]));
    let rejoins = [d.rejoin("a"), d.rejoin("b")];
    assert!(rejoins.iter().all(|join| d.joined(*join).is_none()));
    assert_eq!(d.group.poll_deadline(), Some(i64::from(SESSION_MS)));
    d.wait(i64::from(SESSION_MS));
    assert!(rejoins.iter().all(|join| d.joined(*join).unwrap().generation_id == 3));
}

#[test]
fn heartbeat_tells_of_a_rebalance_and_of_a_generation_gone_by() {
    let mut d = Dialogue::pair();
    assert_eq!(d.heartbeat("a"), ErrorCode::None);
    d.join("c");
    assert_eq!(d.heartbeat("a"), ErrorCode::RebalanceInProgress);
    assert_eq!(d.group.handle_heartbeat(0, "a", None, 1), ErrorCode::IllegalGeneration);
    assert_eq!(d.heartbeat("nobody"), ErrorCode::UnknownMemberId);
}

#[test]
fn silent_member_is_lost_after_its_session_and_the_others_rebalance() {
    let mut d = Dialogue::pair();
    d.wait(i64::from(SESSION_MS) - 1);
    assert_eq!(d.heartbeat("a"), ErrorCode::None);
    d.wait(1);
    assert_eq!(d.group.members().keys().map(|id| &**id).collect::<Vec<_>>(), ["a"]);
    assert_eq!(d.heartbeat("a"), ErrorCode::RebalanceInProgress);
    let again = d.rejoin("a");
    assert_eq!(d.joined(again).unwrap().generation_id, 3);
}

#[test]
fn member_that_does_not_join_again_is_left_out_after_the_rebalance_timeout() {
    let mut d = Dialogue::pair();
    let third = d.join("c");
    for _ in 0..REBALANCE_MS / SESSION_MS {
        assert_eq!(d.heartbeat("a"), ErrorCode::RebalanceInProgress);
        assert_eq!(d.heartbeat("b"), ErrorCode::RebalanceInProgress);
        assert_eq!(d.joined(third), None);
        d.wait(i64::from(SESSION_MS) - 1);
    }
    d.heartbeat("a");
    d.heartbeat("b");
    d.wait(i64::from(REBALANCE_MS / SESSION_MS));
    let joined = d.joined(third).unwrap();
    assert_eq!((&*joined.leader, joined.members.len()), ("c", 1));
    assert_eq!(d.heartbeat("a"), ErrorCode::UnknownMemberId);
}

#[test]
fn leader_that_never_syncs_is_dropped() {
    let mut d = Dialogue::new();
    d.join("a");
    d.join("b");
    d.rejoin("a");
    let waiting = d.sync("b", &[]);
    d.wait(1);
    for _ in 0..REBALANCE_MS / 5000 {
        d.heartbeat("a");
        d.wait(5000);
    }
    assert_eq!(d.synced(waiting).unwrap().error_code, code(ErrorCode::RebalanceInProgress));
    assert_eq!(d.heartbeat("a"), ErrorCode::UnknownMemberId);
    let again = d.rejoin("b");
    assert_eq!(&*d.joined(again).unwrap().leader, "b");
}

#[test]
fn protocol_is_one_that_everyone_knows() {
    let mut d = Dialogue::new();
    d.join_as(3, "a", &join_request("", &[("sticky", "s"), ("range", "r")]));
    let second = d.join_as(3, "b", &join_request("", &[("range", "r"), ("other", "o")]));
    d.join_as(3, "x", &join_request("a", &[("sticky", "s"), ("range", "r")]));
    assert_eq!(d.joined(second).unwrap().protocol_name.as_deref(), Some("range"));
    let stranger = d.join_as(3, "c", &join_request("", &[("sticky", "s")]));
    let refused = d.joined(stranger).unwrap().error_code;
    assert_eq!(refused, code(ErrorCode::InconsistentGroupProtocol));
    let mut connect = join_request("", &[("range", "r")]);
    connect.protocol_type = "connect".into();
    let other_type = d.join_as(3, "d", &connect);
    let refused = d.joined(other_type).unwrap().error_code;
    assert_eq!(refused, code(ErrorCode::InconsistentGroupProtocol));
}

#[test]
fn preferred_protocol_has_the_most_votes() {
    let mut d = Dialogue::new();
    let range_first = [("range", "r"), ("sticky", "s")];
    let sticky_first = [("sticky", "s"), ("range", "r")];
    d.join_as(3, "a", &join_request("", &range_first));
    d.join_as(3, "b", &join_request("", &sticky_first));
    d.join_as(3, "c", &join_request("", &sticky_first));
    let last = d.join_as(3, "x", &join_request("a", &range_first));
    assert_eq!(d.joined(last).unwrap().protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn follower_with_nothing_new_gets_the_running_generation() {
    let mut d = Dialogue::pair();
    let again = d.rejoin("b");
    let joined = d.joined(again).unwrap();
    assert_eq!((joined.generation_id, joined.members.len()), (2, 0));
    assert_eq!(d.group.state(), State::Stable);
    let changed = d.join_as(3, "x", &join_request("b", &[("range", "other topics")]));
    assert_eq!(d.joined(changed), None);
    assert_eq!(d.group.state(), State::PreparingRebalance);
}

#[test]
fn leader_that_joins_again_begins_a_rebalance() {
    let mut d = Dialogue::pair();
    let again = d.rejoin("a");
    assert_eq!(d.joined(again), None);
    assert_eq!(d.group.state(), State::PreparingRebalance);
}

#[test]
fn lost_answer_to_a_join_is_given_again() {
    let mut d = Dialogue::new();
    d.join("a");
    d.join("b");
    let first = d.rejoin("a");
    let second = d.rejoin("a");
    assert_eq!(d.joined(first), d.joined(second));
    assert_eq!(d.joined(second).unwrap().members.len(), 2);
}

#[test]
fn last_member_leaves_an_empty_group() {
    let mut d = Dialogue::pair();
    assert_eq!(d.leave("a", None), ErrorCode::None);
    assert_eq!(d.leave("a", None), ErrorCode::UnknownMemberId);
    assert_eq!(d.leave("b", None), ErrorCode::None);
    assert_eq!(d.group.state(), State::Empty);
    assert_eq!(d.group.generation(), 3);
    assert_eq!(d.said.last(), Some(&Said::Store));
    assert_eq!(d.group.poll_deadline(), None);
}

#[test]
fn static_member_comes_back_without_a_rebalance() {
    let mut d = Dialogue::new();
    d.join_static(5, "a1", "a");
    d.sync("a1", &[("a1", "all")]);
    d.stored();
    let back = d.join_static(9, "a2", "a");
    let joined = d.joined(back).unwrap().clone();
    assert_eq!((joined.generation_id, &*joined.member_id, &*joined.leader), (1, "a2", "a2"));
    assert!(joined.skip_assignment);
    assert_eq!(d.group.state(), State::Stable);
    let sync = d.sync("a2", &[]);
    assert_eq!(d.synced(sync).unwrap().assignment, "all");
    let fenced = d.group.handle_heartbeat(0, "a1", Some("a"), 1);
    assert_eq!(fenced, ErrorCode::FencedInstanceId);
}

#[test]
fn returned_static_leader_of_an_older_version_does_not_assign_again() {
    let mut d = Dialogue::new();
    d.join_static(5, "a1", "a");
    d.sync("a1", &[("a1", "all")]);
    d.stored();
    let back = d.join_static(5, "a2", "a");
    let joined = d.joined(back).unwrap();
    assert_eq!((&*joined.leader, joined.members.len(), joined.skip_assignment), ("a1", 0, false));
}

#[test]
fn second_process_with_the_same_instance_fences_the_first() {
    let mut d = Dialogue::new();
    d.join("other");
    let first = d.join_static(5, "a1", "a");
    let second = d.join_static(5, "a2", "a");
    assert_eq!(d.joined(first).unwrap().error_code, code(ErrorCode::FencedInstanceId));
    d.rejoin("other");
    assert_eq!(&*d.joined(second).unwrap().member_id, "a2");
}

#[test]
fn static_member_keeps_its_place_in_a_rebalance_it_misses() {
    let mut d = Dialogue::new();
    let mut patient = join_request("", &[("range", "r")]);
    patient.group_instance_id = Some("s".into());
    patient.session_timeout_ms = REBALANCE_MS * 10;
    d.join_as(5, "s1", &patient);
    d.sync("s1", &[("s1", "all")]);
    d.stored();
    let other = d.join("b");
    d.wait(i64::from(REBALANCE_MS));
    let joined = d.joined(other).unwrap();
    assert_eq!((&*joined.leader, joined.members.len()), ("b", 2));
    d.sync("b", &[("b", "left"), ("s1", "right")]);
    d.stored();
    let back = d.join_as(5, "s2", &patient);
    assert_eq!(d.joined(back).unwrap().generation_id, 2);
    let sync = d.sync("s2", &[]);
    assert_eq!(d.synced(sync).unwrap().assignment, "right");
}

#[test]
fn administrator_removes_a_static_member_by_its_instance() {
    let mut d = Dialogue::new();
    d.join_static(5, "a1", "a");
    assert_eq!(d.leave("", Some("b")), ErrorCode::UnknownMemberId);
    assert_eq!(d.leave("wrong", Some("a")), ErrorCode::FencedInstanceId);
    assert_eq!(d.leave("", Some("a")), ErrorCode::None);
    assert_eq!(d.group.state(), State::Empty);
}

#[test]
fn commits_are_checked_against_member_and_generation() {
    let mut d = Dialogue::new();
    assert_eq!(d.group.handle_commit(0, "", None, -1), Ok(()));
    assert_eq!(d.group.handle_commit(0, "a", None, 1), Err(ErrorCode::UnknownMemberId));
    d.join("a");
    assert_eq!(d.group.handle_commit(0, "a", None, 1), Err(ErrorCode::RebalanceInProgress));
    d.sync("a", &[]);
    d.stored();
    assert_eq!(d.group.handle_commit(0, "a", None, 1), Ok(()));
    assert_eq!(d.group.handle_commit(0, "a", None, 0), Err(ErrorCode::IllegalGeneration));
    assert_eq!(d.group.handle_commit(0, "", None, -1), Err(ErrorCode::UnknownMemberId));
    d.join("b");
    assert_eq!(d.group.handle_commit(0, "a", None, 1), Ok(()));
}

#[test]
fn group_takes_no_more_members_than_its_bound() {
    let mut d = Dialogue::new();
    d.group = Group::new(0, 2);
    d.join("a");
    d.join_as(4, "b", &join_request("", &[("range", "r")]));
    let third = d.join("c");
    assert_eq!(d.joined(third).unwrap().error_code, code(ErrorCode::GroupMaxSizeReached));
}

#[test]
fn restored_group_goes_on_where_it_was() {
    let d = Dialogue::pair();
    let mut restored = Dialogue::new();
    restored.group = Group::restore(0, 100, &d.group.metadata());
    assert_eq!(restored.group.metadata(), d.group.metadata());
    assert_eq!(restored.heartbeat("b"), ErrorCode::None);
    let sync = restored.sync("b", &[]);
    assert_eq!(restored.synced(sync).unwrap().assignment, "right");
    restored.wait(i64::from(SESSION_MS));
    assert!(restored.group.members().is_empty());
}
