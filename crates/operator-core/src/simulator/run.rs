//! One seed from beginning to end.

use super::mutants::Mutant;
use super::operator::Operator;
use super::world::{Event, Process, World};
use crate::model::NodeId;
use crate::roller;
use crate::step::{Progress, plan};

/// So long after the last fault everything must be as it was asked for. A roll of seven nodes that each take a minute, behind a drain.
const CALM_MS: u64 = 1_500_000;
/// So long nothing more may happen then.
const QUIET_MS: u64 = 60_000;

/// So long the last faults may stay unseen.
const LAST_FAULTS_MS: u64 = 20_000;

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) violations: Vec<String>,
    pub(super) restarts: usize,
    pub(super) told: Vec<String>,
}

/// Runs a seed: chaos, calm, quiet.
pub(super) fn simulate(seed: u64, mutant: Mutant, telling: bool) -> Outcome {
    let mut world = World::from_seed(seed);
    world.truth.telling = telling;
    let mut operator = Operator { stored: Progress::default(), mutant, idle: false };
    world.after_about((1_000, 30_000), Event::Fault);
    world.after_about((20_000, 60_000), Event::Edit);
    world.after_about((60_000, 300_000), Event::Calm);
    let mut quiet_since_ms = None;
    let mut calm_since_ms = u64::MAX;
    while let Some(event) = world.next_event() {
        run_event(&mut world, &mut operator, event);
        if !world.truth.violations.is_empty() {
            break;
        }
        if event == Event::Calm {
            calm_since_ms = world.now_ms;
        }
        if !world.calm || event != Event::Operator {
            continue;
        }
        if world.now_ms - calm_since_ms < LAST_FAULTS_MS {
            continue;
        }
        let converged = operator.idle && unfinished(&world).is_none();
        match quiet_since_ms {
            None if converged => quiet_since_ms = Some(world.now_ms),
            Some(since) if !converged => {
                world.violated(&format!("was quiet at {since} and is not any more"));
            }
            Some(since) if world.now_ms - since >= QUIET_MS => break,
            _ => {}
        }
        if world.now_ms - calm_since_ms > CALM_MS {
            let what = unfinished(&world).unwrap_or("the operator is busy".to_owned());
            world.violated(&format!("does not finish: {what}"));
        }
    }
    let truth = world.truth;
    Outcome { violations: truth.violations, restarts: truth.restarts.len(), told: truth.told }
}

/// A plan and what became of it, step by step, where nothing fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rehearsal {
    pub(super) planned: Vec<Vec<NodeId>>,
    pub(super) done: Vec<Vec<NodeId>>,
}

/// A new cluster without faults is given another spec.
pub(super) fn rehearse(seed: u64) -> Rehearsal {
    let mut world = World::from_seed(seed);
    world.faults = false;
    let mut operator = Operator { stored: Progress::default(), mutant: Mutant::None, idle: false };
    until_finished(&mut world, &mut operator);
    world.edit_setups();
    let plan = plan(&world.observe(), &world.spec, &operator.stored, world.now_ms);
    let nodes = |step: &roller::Step| step.restarts.iter().map(|(id, _)| *id).collect();
    let planned = plan.steps.iter().map(nodes).collect();
    until_finished(&mut world, &mut operator);
    let together = world.truth.restarts.chunk_by(|one, other| one.0 == other.0);
    let done = together.map(|step| step.iter().map(|(_, id)| *id).collect()).collect();
    assert_eq!(world.truth.violations, Vec::<String>::new(), "seed {seed}");
    Rehearsal { planned, done }
}

fn until_finished(world: &mut World, operator: &mut Operator) {
    let limit_ms = world.now_ms + CALM_MS;
    while let Some(event) = world.next_event() {
        run_event(world, operator, event);
        assert!(world.now_ms < limit_ms, "{:?}", unfinished(world));
        if event == Event::Operator && operator.idle && unfinished(world).is_none() {
            return;
        }
    }
}

fn run_event(world: &mut World, operator: &mut Operator, event: Event) {
    match event {
        Event::Operator => operator.tick(world),
        Event::Fault => world.fault(),
        Event::Edit => world.edit(),
        Event::Topics => world.make_topics(),
        Event::Calm => world.become_calm(),
        Event::Elect => world.elect(),
        Event::Created(id, boot) if world.at_boot(id, boot).is_some() => world.created(id),
        Event::Created(..) => {}
        Event::Started(id, boot) => world.started(id, boot),
        Event::Recovered(id, boot) => world.recovered(id, boot),
        Event::Register(id, boot) => world.register(id, boot),
        Event::RaftCaughtUp(id, boot) => world.raft_caught_up(id, boot),
        Event::CaughtUp(id, boot, index) => world.caught_up(id, boot, index),
        Event::Terminated(id, boot) => world.terminated(id, boot),
        Event::Fence(id) => world.fence(id),
        Event::Healed(id) => world.healed(id),
    }
    world.refresh();
}

/// What is not as it was asked for.
fn unfinished(world: &World) -> Option<String> {
    let desired = &world.spec.desired;
    for (id, wanted) in &desired.nodes {
        let node = world.nodes.get(id)?;
        if node.process != Process::Up || node.running != wanted.setup {
            return Some(format!("node {id} is {:?} with {:?}", node.process, node.running));
        }
        if !world.is_back(*id) {
            let hosted = world.partitions.iter().filter(|p| p.replicas.contains(id));
            let behind: Vec<_> = hosted.filter(|p| !p.isr.contains(id)).collect();
            return Some(format!("node {id} is not in step: {node:?}, behind in {behind:?}"));
        }
    }
    let voters: Vec<NodeId> = world.voters.keys().copied().collect();
    if voters != desired.controllers().collect::<Vec<_>>() {
        return Some(format!("{voters:?} vote"));
    }
    let extra = world.nodes.keys().chain(&world.registered);
    if let Some(id) = extra.into_iter().find(|id| !desired.nodes.contains_key(id)) {
        return Some(format!("node {id} has not left"));
    }
    if world.partitions.is_empty() {
        return Some("there are no topics".to_owned());
    }
    if let Some(p) = world.partitions.iter().find(|p| p.is_moving()) {
        return Some(format!("{} moves", p.name()));
    }
    world.throttle.map(|_| "the throttle is still set".to_owned())
}
