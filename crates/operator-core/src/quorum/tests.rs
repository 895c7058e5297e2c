//! Decisions about quorums small enough to see through.

use std::collections::BTreeSet;

use super::*;
use crate::model::{Desired, DirectoryId, Disk, NodeId, Observed, PodState, Replica, Roles};
use crate::testing::{as_is, brokers, cluster, directory, ids, node, partition};

struct Story {
    observed: Observed,
    desired: Desired,
    progress: Progress,
    draws: u128,
}

impl Story {
    fn new(observed: Observed) -> Self {
        let desired = as_is(&observed);
        Self { observed, desired, progress: Progress::default(), draws: 1_000 }
    }

    fn decide(&mut self) -> Decision {
        let down = BTreeSet::new();
        let Self { observed, desired, .. } = self;
        let situation = Situation { observed, desired, down: &down, now_ms: 10_000_000 };
        let mut draws = self.draws;
        let mut draw = || {
            draws += 1;
            draws << 64 | draws
        };
        let decision = decide(&situation, &self.progress, &mut draw);
        self.draws = draws;
        self.progress = decision.progress.clone();
        decision
    }

    fn disk(&mut self, id: u32, disk: Disk) {
        self.observed.nodes.get_mut(&NodeId(id)).unwrap().disk = disk;
    }

    fn quorum(&mut self) -> &mut crate::model::Quorum {
        &mut self.observed.metadata.as_mut().unwrap().quorum
    }

    fn voters(&mut self) -> Vec<NodeId> {
        self.quorum().voters.iter().map(|voter| voter.node).collect()
    }

    /// A new controller that runs on its own disk and follows.
    fn join(&mut self, id: u32) {
        let roles = Roles::CONTROLLER;
        self.observed.nodes.insert(NodeId(id), node(id, roles));
        let setup = node(id, roles).running;
        self.desired.nodes.insert(NodeId(id), crate::model::Wanted { roles, setup });
        let directory = directory(u128::from(id) + 1);
        let observer = Replica { node: NodeId(id), directory, lag_ms: 0, silent_ms: 0 };
        self.quorum().observers.push(observer);
    }

    /// Does what was decided, until nothing is.
    fn changes(&mut self) -> Vec<Action> {
        let mut done = Vec::new();
        while let Some(action) = self.decide().action {
            done.push(action.clone());
            let quorum = self.quorum();
            match action {
                Action::AddVoter { node, directory } => {
                    quorum.observers.retain(|o| o.directory != directory);
                    quorum.voters.push(Replica { node, directory, lag_ms: 0, silent_ms: 0 });
                }
                Action::RemoveVoter { directory, .. } => {
                    quorum.voters.retain(|v| v.directory != directory);
                    quorum.leader = quorum.voters.first().map(|voter| voter.node);
                }
            }
        }
        done
    }
}

fn add(id: u32) -> Action {
    Action::AddVoter { node: NodeId(id), directory: directory(u128::from(id) + 1) }
}

fn remove(id: u32) -> Action {
    Action::RemoveVoter { node: NodeId(id), directory: directory(u128::from(id) + 1) }
}

/// Nobody has started yet.
fn unborn(count: u32) -> Story {
    let mut story = Story::new(brokers(count));
    story.observed.metadata = None;
    for id in 0..count {
        story.disk(id, Disk::Empty);
    }
    story
}

#[test]
fn first_voters_are_stored_before_any_disk_is_formatted() {
    let mut story = unborn(3);
    story.disk(2, Disk::Unknown);
    let decision = story.decide();
    assert_eq!(decision.permits[&NodeId(0)], Permit::Wait(Reservation::OthersUnknown));
    story.disk(2, Disk::Empty);
    let decision = story.decide();
    let Permit::Format(Format::Initial { controllers, cluster_id }) = &decision.permits[&NodeId(1)]
    else {
        panic!("{:?}", decision.permits)
    };
    assert_eq!((controllers.len(), Some(*cluster_id)), (3, decision.progress.cluster_id));
    assert_eq!(*controllers, decision.progress.initial);
    let distinct: BTreeSet<DirectoryId> = controllers.values().copied().collect();
    assert_eq!(distinct.len(), 3);
    // Asked again, also by another process, it says the same.
    assert_eq!(story.decide().permits, decision.permits);
}

#[test]
fn disk_is_stored_before_kafka_starts_on_it() {
    let mut story = unborn(1);
    story.decide();
    let own = story.progress.initial[&NodeId(0)];
    story.disk(0, Disk::Formatted(own));
    let decision = story.decide();
    assert_eq!(decision.permits[&NodeId(0)], Permit::Start);
    assert_eq!(decision.progress.disks[&NodeId(0)], own);
}

#[test]
fn disk_that_nobody_here_formatted_does_not_start() {
    let mut story = unborn(3);
    story.decide();
    story.disk(0, Disk::Formatted(directory(77)));
    let decision = story.decide();
    let problem = Problem::ForeignDisk(NodeId(0), directory(77));
    assert_eq!(decision.problems, std::slice::from_ref(&problem));
    assert_eq!(decision.permits[&NodeId(0)], Permit::Wait(Reservation::Problem(problem)));
}

#[test]
fn disk_lost_before_the_quorum_formed_is_not_formatted_with_its_old_id() {
    let mut story = unborn(3);
    story.decide();
    let own = story.progress.initial[&NodeId(0)];
    story.disk(0, Disk::Formatted(own));
    story.decide();
    story.disk(0, Disk::Empty);
    assert_eq!(story.decide().permits[&NodeId(0)], Permit::Wait(Reservation::NotFormed));
}

#[test]
fn lost_status_never_leads_to_a_second_bootstrap() {
    // Two of three disks are there, nobody answers, and nothing is known.
    let mut story = Story::new(brokers(3));
    story.observed.metadata = None;
    story.disk(2, Disk::Empty);
    let decision = story.decide();
    assert!(decision.progress.formed);
    assert_eq!(decision.permits[&NodeId(0)], Permit::Start);
    assert_eq!(decision.permits[&NodeId(2)], Permit::Wait(Reservation::OthersUnknown));
}

#[test]
fn even_numbers_and_none_are_refused() {
    for (count, problem) in [(2, Problem::EvenControllers(2)), (0, Problem::NoControllers)] {
        let mut story = unborn(count);
        assert_eq!(story.decide().problems, [problem]);
        assert!(story.progress.initial.is_empty());
    }
    let mut story = Story::new(brokers(3));
    story.join(3);
    let decision = story.decide();
    assert_eq!((decision.action, decision.problems.len()), (None, 1));
}

#[test]
fn one_becomes_three_only_when_both_have_caught_up() {
    let mut story = Story::new(cluster(&[(0, Roles::CONTROLLER)]));
    story.join(1);
    story.join(2);
    story.quorum().observers[1].lag_ms = 60_000;
    assert_eq!(story.changes(), []);
    story.quorum().observers[1].lag_ms = 0;
    assert_eq!(story.changes(), [add(1), add(2)]);
}

#[test]
fn three_become_five_and_three_again_the_leader_last() {
    let mut story = Story::new(brokers(3));
    story.join(3);
    story.join(4);
    assert_eq!(story.changes(), [add(3), add(4)]);
    story.quorum().leader = Some(NodeId(3));
    for id in [3, 4] {
        story.desired.nodes.remove(&NodeId(id));
    }
    assert_eq!(story.decide().released, BTreeSet::new());
    assert_eq!(story.changes(), [remove(4), remove(3)]);
    assert_eq!(story.voters(), ids(&[0, 1, 2]));
    assert_eq!(story.decide().released, ids(&[3, 4]).into_iter().collect());
}

#[test]
fn voter_is_not_removed_while_those_who_stay_cannot_agree() {
    let mut story = Story::new(brokers(3));
    story.desired.nodes.remove(&NodeId(2));
    story.desired.nodes.remove(&NodeId(1));
    story.observed.nodes.get_mut(&NodeId(1)).unwrap().pod.state =
        PodState::Stuck { why: "CrashLoopBackOff".into() };
    // Who helps nobody goes first: 0 and 2 agree on it, then 0 alone.
    assert_eq!(story.changes(), [remove(1), remove(2)]);
    let mut story = Story::new(brokers(3));
    story.desired.nodes.remove(&NodeId(2));
    story.desired.nodes.remove(&NodeId(1));
    story.quorum().voters[0].lag_ms = 60_000;
    assert_eq!(story.changes(), []);
}

#[test]
fn lost_disk_is_replaced_under_a_new_id() {
    let mut story = Story::new(brokers(3));
    story.decide();
    story.disk(2, Disk::Empty);
    let cluster_id = crate::model::ClusterId::from_random(99);
    story.progress.cluster_id = cluster_id;
    let cluster_id = cluster_id.unwrap();
    let decision = story.decide();
    assert_eq!(decision.permits[&NodeId(2)], Permit::Format(Format::Join { cluster_id }));
    assert_eq!(decision.action, None, "perhaps the mount comes back");

    let new = directory(50);
    story.disk(2, Disk::Formatted(new));
    let first = story.decide();
    assert_eq!(first.permits[&NodeId(2)], Permit::Start);
    assert_eq!(first.action, Some(remove(2)));
    story.quorum().voters.retain(|voter| voter.node != NodeId(2));
    assert_eq!(story.decide().action, None, "it has not caught up");
    assert_eq!(story.decide().held, ids(&[0, 1]).into_iter().collect());
    let observer = Replica { node: NodeId(2), directory: new, lag_ms: 0, silent_ms: 0 };
    story.quorum().observers.push(observer);
    let added = Action::AddVoter { node: NodeId(2), directory: new };
    assert_eq!(story.changes(), [added]);

    // The old disk, or a copy of it, comes back.
    story.disk(2, Disk::Formatted(directory(3)));
    let reused = Problem::DirectoryReused(NodeId(2), directory(3));
    assert_eq!(story.decide().problems, [reused]);
}

#[test]
fn copy_of_another_controllers_disk_does_not_start() {
    let mut story = Story::new(brokers(3));
    story.decide();
    story.disk(2, Disk::Formatted(directory(1)));
    let decision = story.decide();
    let reused = Problem::DirectoryReused(NodeId(2), directory(1));
    assert_eq!(decision.permits[&NodeId(2)], Permit::Wait(Reservation::Problem(reused)));
}

#[test]
fn lost_majority_is_a_persons_business() {
    let mut story = Story::new(brokers(3));
    story.decide();
    story.quorum().leader = None;
    story.disk(1, Disk::Empty);
    assert_eq!(story.decide().problems, []);
    story.disk(2, Disk::Empty);
    let decision = story.decide();
    assert_eq!(decision.problems, [Problem::QuorumLost { empty: ids(&[1, 2]) }]);
    assert_eq!(decision.action, None);
}

#[test]
fn empty_disk_of_the_last_replica_in_sync_waits_for_a_person() {
    let mut story = Story::new(brokers(3));
    story.decide();
    story.progress.cluster_id = crate::model::ClusterId::from_random(99);
    story.disk(2, Disk::Empty);
    story.observed.metadata.as_mut().unwrap().partitions = vec![partition("t", &[2, 1], &[2], 1)];
    let wait = Reservation::LastReplica { partition: "t-0".into() };
    assert_eq!(story.decide().permits[&NodeId(2)], Permit::Wait(wait));
    story.observed.metadata.as_mut().unwrap().partitions[0].isr = ids(&[1]);
    assert!(matches!(story.decide().permits[&NodeId(2)], Permit::Format(_)));
}
