//! The table. A scenario stands in a file of its own and has a row here.

use std::time::Duration;

use crate::end::Outcome;
use crate::stage::Stage;

mod baseline;
mod handmade;

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it is called; a part of the name chooses it.
    pub name: &'static str,
    /// Part of what continuous integration runs.
    pub core: bool,
    /// It is stopped, and the run with it, after this time: several times what it takes on two cores.
    pub limit: Duration,
    /// The scenario.
    pub run: fn(&mut Stage<'_>) -> Outcome,
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// All scenarios, in the order they run.
pub const ALL: &[Scenario] = &[
    Scenario { name: "baseline", core: false, limit: minutes(40), run: baseline::faults },
    Scenario { name: "handmade", core: true, limit: minutes(40), run: handmade::run },
];
