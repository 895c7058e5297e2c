//! Decisions on clusters small enough to see through.

use std::collections::BTreeSet;

use super::*;
use crate::model::{Desired, NodeId, Observed, PodState, Roles};
use crate::testing::{as_is, brokers, cluster, ids, partition};

const NOW_MS: u64 = 10_000_000;

struct Roll {
    observed: Observed,
    desired: Desired,
    policy: Policy,
    progress: Progress,
    now_ms: u64,
}

impl Roll {
    fn new(observed: Observed) -> Self {
        let desired = as_is(&observed);
        let (policy, progress) = (Policy::default(), Progress::default());
        Self { observed, desired, policy, progress, now_ms: NOW_MS }
    }

    /// Every node is to run another revision.
    fn revise(&mut self, revision: &str) {
        for wanted in self.desired.nodes.values_mut() {
            wanted.setup.revision = revision.to_owned();
        }
    }

    fn situation<'a>(&'a self, held: &'a BTreeSet<NodeId>) -> Situation<'a> {
        let Self { observed, desired, policy, now_ms, .. } = self;
        Situation { observed, desired, policy, held, now_ms: *now_ms }
    }

    fn decide(&mut self) -> Decision {
        let decision = decide(&self.situation(&BTreeSet::new()), &self.progress);
        self.progress = decision.progress.clone();
        decision
    }

    fn restarted(&mut self) -> Vec<NodeId> {
        let restart = |action: &Action| matches!(action, Action::Restart { .. });
        self.decide().actions.iter().filter(|a| restart(a)).map(Action::node).collect()
    }

    fn obstacles(&mut self, id: u32) -> Vec<Obstacle> {
        let waits = self.decide().waits;
        waits.into_iter().find(|w| w.node == NodeId(id)).map(|w| w.obstacles).unwrap_or_default()
    }

    fn plan(&self) -> Plan {
        plan(&self.situation(&BTreeSet::new()), &self.progress)
    }

    fn set(&mut self, id: u32, state: PodState) {
        let now_ms = self.now_ms;
        let pod = &mut self.observed.nodes.get_mut(&NodeId(id)).unwrap().pod;
        (pod.state, pod.since_ms) = (state, now_ms);
    }

    /// The pod was deleted and another one runs the present setup.
    fn replace(&mut self, id: u32, state: PodState) {
        let node = self.observed.nodes.get_mut(&NodeId(id)).unwrap();
        node.pod.uid.push('+');
        node.running = self.desired.nodes[&NodeId(id)].setup.clone();
        self.set(id, state);
    }

    fn partitions(&mut self, partitions: Vec<crate::model::Partition>) {
        self.observed.metadata.as_mut().unwrap().partitions = partitions;
    }
}

fn stuck() -> PodState {
    PodState::Stuck { why: "ImagePullBackOff".into() }
}

/// Three controllers, three brokers.
fn dedicated() -> Observed {
    let controllers = (0..3).map(|id| (id, Roles::CONTROLLER));
    cluster(&controllers.chain((10..13).map(|id| (id, Roles::BROKER))).collect::<Vec<_>>())
}

#[test]
fn nothing_to_do_does_nothing() {
    let mut roll = Roll::new(dedicated());
    let decision = roll.decide();
    assert_eq!((decision.actions, decision.waits, decision.stopped), (vec![], vec![], None));
    assert_eq!(roll.plan().to_string().lines().last(), Some("  nothing to do"));
}

#[test]
fn roll_goes_controllers_first_active_one_last_of_them_one_at_a_time() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    let mut order = Vec::new();
    let planned: Vec<_> = roll.plan().steps.iter().map(|s| s.restarts[0].0).collect();
    while let [id] = roll.restarted()[..] {
        order.push(id);
        roll.set(id.0, PodState::Terminating);
        assert_eq!(roll.restarted(), [], "{id} is not back");
        roll.replace(id.0, PodState::Ready);
    }
    assert_eq!(order, ids(&[1, 2, 0, 10, 11, 12]));
    assert_eq!(planned, order);
}

#[test]
fn unready_nodes_go_before_ready_ones() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    roll.set(12, PodState::Unresponsive);
    assert_eq!(roll.restarted(), ids(&[12]));
}

#[test]
fn pod_that_is_ready_is_waited_for_until_it_is_in_every_isr() {
    let mut roll = Roll::new(brokers(3));
    roll.partitions(vec![partition("t", &[0, 1, 2], &[0, 1, 2], 1)]);
    roll.revise("2");
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.replace(1, PodState::Ready);
    roll.partitions(vec![partition("t", &[0, 1, 2], &[0, 2], 1)]);
    assert_eq!(roll.restarted(), []);
    roll.partitions(vec![partition("t", &[0, 1, 2], &[0, 2, 1], 1)]);
    assert_eq!(roll.restarted(), ids(&[2]));
}

#[test]
fn replica_that_a_reassignment_still_copies_is_not_waited_for() {
    let mut roll = Roll::new(brokers(3));
    let mut moving = partition("t", &[0, 1, 2], &[0, 2], 1);
    moving.adding = ids(&[1]);
    roll.partitions(vec![moving]);
    roll.revise("2");
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.replace(1, PodState::Ready);
    assert_eq!(roll.restarted(), ids(&[2]));
}

#[test]
fn roll_stops_at_the_first_node_that_does_not_come_back() {
    let mut roll = Roll::new(dedicated());
    roll.revise("bad");
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.replace(1, stuck());
    let decision = roll.decide();
    assert_eq!(decision.actions, []);
    let stopped = decision.stopped.unwrap();
    assert_eq!((stopped.node, stopped.why.as_str()), (NodeId(1), "ImagePullBackOff"));
    // Also by an operator that knows nothing of the restart.
    roll.progress = Progress::default();
    assert_eq!(roll.restarted(), []);
}

#[test]
fn fixed_spec_replaces_a_bad_one_at_once() {
    let mut roll = Roll::new(dedicated());
    roll.revise("bad");
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.replace(1, PodState::Starting);
    roll.revise("good");
    assert_eq!(roll.restarted(), ids(&[1]), "without waiting for a timeout");
    roll.replace(1, PodState::Ready);
    assert_eq!(roll.restarted(), ids(&[2]));
}

#[test]
fn node_that_comes_no_nearer_stops_the_roll_until_it_does() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.replace(1, PodState::Starting);
    assert_eq!(roll.decide().stopped, None);
    roll.now_ms += roll.policy.no_progress_timeout_ms;
    let stopped = roll.decide().stopped.unwrap();
    assert_eq!(stopped.node, NodeId(1));
    roll.set(1, PodState::Ready);
    assert_eq!(roll.restarted(), ids(&[2]));
}

#[test]
fn log_recovery_is_never_killed_however_long_it_takes_and_whatever_the_spec() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    roll.set(10, PodState::Recovering { logs_left: 7 });
    for revision in ["3", "4"] {
        roll.now_ms += 100 * roll.policy.no_progress_timeout_ms;
        roll.revise(revision);
        assert!(!roll.restarted().contains(&NodeId(10)));
        assert!(roll.obstacles(10).contains(&Obstacle::LogRecovery { logs_left: 7 }));
    }
}

#[test]
fn property_that_kafka_takes_live_restarts_nothing() {
    let mut roll = Roll::new(dedicated());
    for wanted in roll.desired.nodes.values_mut().filter(|w| w.roles.broker) {
        wanted.setup.config.insert("num.io.threads".into(), "16".into());
    }
    let actions = roll.decide().actions;
    assert_eq!(actions.len(), 3);
    assert!(actions.iter().all(|a| matches!(a, Action::AlterConfig { .. })), "{actions:?}");
    let plan = roll.plan().to_string();
    assert!(plan.contains("node 10 takes num.io.threads while it runs"), "{plan}");
    for action in actions {
        handle_altered(&mut roll.progress, &roll.desired, action.node(), Ok(()), roll.now_ms);
        let node = roll.observed.nodes.get_mut(&action.node()).unwrap();
        node.running.config.insert("num.io.threads".into(), "16".into());
    }
    assert_eq!(roll.decide().actions, []);
}

#[test]
fn property_that_kafka_refuses_live_needs_a_restart() {
    let mut roll = Roll::new(dedicated());
    let wanted = roll.desired.nodes.get_mut(&NodeId(11)).unwrap();
    wanted.setup.config.insert("num.io.threads".into(), "999".into());
    assert_eq!(roll.restarted(), []);
    let refused = Err("INVALID_CONFIG".to_owned());
    handle_altered(&mut roll.progress, &roll.desired, NodeId(11), refused, roll.now_ms);
    let actions = roll.decide().actions;
    let reasons = vec![Reason::Config(vec!["num.io.threads".into()])];
    assert_eq!(actions, [Action::Restart { node: NodeId(11), pod: "pod-11".into(), reasons }]);
}

#[test]
fn every_part_of_a_setup_is_a_reason_of_its_own() {
    let mut roll = Roll::new(dedicated());
    let setup = &mut roll.desired.nodes.get_mut(&NodeId(1)).unwrap().setup;
    setup.revision = "2".into();
    setup.config.insert("node.id".into(), "1".into());
    setup.certificate = "c".into();
    setup.storage = "s".into();
    setup.resources = "r".into();
    setup.restart = "now".into();
    let step = &roll.plan().steps[0];
    let reasons: Vec<String> = step.restarts[0].1.iter().map(ToString::to_string).collect();
    let all = ["revision", "storage", "resources", "asked for", "certificate", "config (node.id)"];
    assert_eq!(reasons, all);
}

#[test]
fn node_that_does_not_answer_is_restarted_after_its_time() {
    let mut roll = Roll::new(dedicated());
    roll.set(11, PodState::Unresponsive);
    assert_eq!(roll.restarted(), []);
    roll.now_ms += roll.policy.unresponsive_timeout_ms;
    assert_eq!(roll.restarted(), ids(&[11]));
    // Nobody answers when nobody leads: that is no node's fault.
    let mut roll = Roll::new(dedicated());
    roll.set(11, PodState::Unresponsive);
    roll.observed.metadata.as_mut().unwrap().quorum.leader = None;
    roll.now_ms += roll.policy.unresponsive_timeout_ms;
    assert_eq!(roll.restarted(), []);
}

#[test]
fn rack_goes_together_once_a_first_broker_is_back() {
    // Racks: 10, 13 and 16; 11 and 14; 12 and 15.
    let nodes = (10..17).map(|id| (id, Roles::BROKER));
    let mut roll = Roll::new(cluster(&nodes.chain([(0, Roles::CONTROLLER)]).collect::<Vec<_>>()));
    roll.policy.parallelism = Parallelism::Rack { nodes_max: 2 };
    roll.revise("2");
    let steps = roll.plan().steps;
    let planned: Vec<Vec<NodeId>> =
        steps.iter().map(|s| s.restarts.iter().map(|(id, _)| *id).collect()).collect();
    let mut done = Vec::new();
    loop {
        let batch = roll.restarted();
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|id| roll.replace(id.0, PodState::Ready));
        done.push(batch);
    }
    let expected = [vec![0], vec![10], vec![11, 14], vec![12, 15], vec![13, 16]];
    assert_eq!(done, expected.map(|batch| ids(&batch)));
    assert_eq!(planned, done);
}

#[test]
fn rack_does_not_go_together_where_a_partition_needs_both() {
    let nodes = (10..15).map(|id| (id, Roles::BROKER));
    let mut roll = Roll::new(cluster(&nodes.chain([(0, Roles::CONTROLLER)]).collect::<Vec<_>>()));
    roll.partitions(vec![partition("t", &[10, 13, 11], &[10, 13, 11], 2)]);
    roll.policy.parallelism = Parallelism::Rack { nodes_max: 2 };
    roll.revise("2");
    let mut batches = Vec::new();
    loop {
        let batch = roll.restarted();
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|id| roll.replace(id.0, PodState::Ready));
        batches.push(batch);
    }
    assert!(batches.iter().all(|b| !(b.contains(&NodeId(10)) && b.contains(&NodeId(13)))));
    assert!(batches.iter().any(|b| b.len() == 2), "{batches:?}");
}

#[test]
fn manual_rollout_waits_for_the_approval_of_this_plan() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    roll.policy.rollout = Rollout::Manual { approved: None };
    let plan = roll.plan();
    assert_eq!(roll.restarted(), []);
    assert_eq!(plan.steps.len(), 6);
    assert_eq!(plan.steps[0].waits_for, [Obstacle::NotApproved(plan.fingerprint.clone())]);
    roll.policy.rollout = Rollout::Manual { approved: Some(plan.fingerprint.clone()) };
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.replace(1, PodState::Ready);
    assert_eq!(roll.restarted(), ids(&[2]), "the approval holds until the roll is through");
    roll.replace(2, PodState::Ready);
    roll.revise("3");
    assert_eq!(roll.restarted(), [], "another plan");
}

#[test]
fn closed_window_keeps_what_works_and_lets_what_is_down_be_replaced() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    roll.policy.rollout = Rollout::Window(Vec::new());
    assert_eq!(roll.restarted(), []);
    assert!(roll.obstacles(1).contains(&Obstacle::WindowClosed));
    roll.set(12, stuck());
    assert_eq!(roll.restarted(), ids(&[12]));
}

#[test]
fn plan_says_what_each_step_waits_for_and_what_it_interrupts() {
    let mut roll = Roll::new(brokers(3));
    roll.partitions(vec![
        partition("orders", &[0, 1, 2], &[0, 1], 2),
        partition("scratch", &[1], &[1], 1),
    ]);
    roll.revise("2");
    let plan = roll.plan();
    let order: Vec<NodeId> = plan.steps.iter().map(|s| s.restarts[0].0).collect();
    // Node 2 is in no ISR yet, so nobody misses it; the others wait for it.
    assert_eq!(order, ids(&[2, 1, 0]));
    assert_eq!(plan.steps[1].interrupts.iter().collect::<Vec<_>>(), ["scratch"]);
    roll.observed.metadata.as_mut().unwrap().quorum.voters[0].lag_ms = 60_000;
    let text = roll.plan().to_string();
    assert!(text.contains("waits for 2 controllers in step without the node (now 1)"), "{text}");
}

#[test]
fn all_nodes_down_by_a_bad_spec_are_replaced_together() {
    let mut roll = Roll::new(dedicated());
    for id in [0, 1, 2, 10, 11, 12] {
        roll.set(id, stuck());
    }
    roll.observed.metadata = None;
    roll.revise("good");
    // None would be ready before the others are there.
    assert_eq!(roll.restarted(), ids(&[0, 1, 2, 10, 11, 12]));
}

#[test]
fn operator_that_died_before_it_deleted_the_pod_does_so_when_it_is_back() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    assert_eq!(roll.restarted(), ids(&[1]));
    // Stored, and nothing done.
    assert_eq!(roll.restarted(), ids(&[1]));
    roll.set(1, PodState::Terminating);
    assert_eq!(roll.restarted(), []);
}

#[test]
fn progress_survives_as_json() {
    let mut roll = Roll::new(dedicated());
    roll.revise("2");
    roll.decide();
    let json = serde_json::to_string(&roll.progress).unwrap();
    assert_eq!(serde_json::from_str::<Progress>(&json).unwrap(), roll.progress);
}

#[test]
fn nodes_that_nobody_accepts_any_more_are_restarted_all_at_once() {
    let mut roll = Roll::new(brokers(3));
    roll.policy.rollout = Rollout::Window(Vec::new());
    roll.observed.metadata = None;
    for node in roll.observed.nodes.values_mut() {
        node.is_cut_off = true;
    }
    assert_eq!(roll.restarted(), []);
    for id in 0..3 {
        roll.set(id, PodState::Unresponsive);
    }
    for wanted in roll.desired.nodes.values_mut() {
        wanted.setup.certificate = "new".to_owned();
    }
    let told = roll.plan().to_string();
    assert!(told.contains("its certificate was over"), "{told}");
    assert_eq!(roll.restarted(), ids(&[0, 1, 2]));
    // Without it they are waited for: somebody may still be served.
    let mut roll = Roll::new(brokers(3));
    roll.observed.metadata = None;
    for id in 0..3 {
        roll.set(id, PodState::Unresponsive);
    }
    assert_eq!(roll.restarted(), []);
}
