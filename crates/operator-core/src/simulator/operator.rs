//! The operator as a process that may die at any moment.

use super::mutants::Mutant;
use super::world::{Event, World};
use crate::step::{Action, Progress, step};

#[derive(Debug)]
pub(super) struct Operator {
    /// What is in the status.
    pub(super) stored: Progress,
    pub(super) mutant: Mutant,
    /// What it did last beside permits.
    pub(super) idle: bool,
}

impl Operator {
    /// One round. At times it is killed in between: before it stored, before it acted, or between two actions.
    pub(super) fn tick(&mut self, world: &mut World) {
        let mut observed = world.observe();
        let mut progress = self.stored.clone();
        self.mutant.distort(&mut observed, &world.spec, &mut progress);
        let spec = world.spec.clone();
        let now_ms = world.now_ms;
        let mut draw = || world.random.bits_128();
        let mut step = step(&observed, &spec, &progress, &mut draw, now_ms);
        self.mutant.pervert(&mut step, &observed, &spec);
        self.idle = step.actions.iter().all(|action| matches!(action, Action::Permit(..)))
            && step.progress.roller.in_flight.is_empty();
        let (waits, stopped) = (&step.waits, &step.stopped);
        if !waits.is_empty() || stopped.is_some() {
            world.tell(|| format!("waits {waits:?} {stopped:?}"));
        }

        let killed = world.faults && !world.calm && world.random.chance(6);
        let lives = world.random.range(0, step.actions.len() as u64 + 2) as usize;
        if killed && lives == 0 {
            return self.come_again(world, true);
        }
        world.truth.decided = self.stored.roller.in_flight.keys().copied().collect();
        self.stored = step.progress;
        let actions = if killed { lives - 1 } else { usize::MAX };
        for action in step.actions.into_iter().take(actions) {
            let mut after = self.stored.clone();
            world.act(action, &mut after);
            self.stored = after;
        }
        self.come_again(world, killed);
    }

    fn come_again(&mut self, world: &mut World, killed: bool) {
        if killed {
            world.tell(|| "operator killed".to_owned());
            let status = serde_json::to_string(&self.stored).expect("plain data");
            self.stored = serde_json::from_str(&status).expect("what was written");
            return world.after_about((1_000, 20_000), Event::Operator);
        }
        world.after_about((500, 5_000), Event::Operator);
    }
}
