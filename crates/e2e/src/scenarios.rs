//! The table. A scenario stands in a file of its own and has a row here.

use std::time::Duration;

use crate::end::Outcome;
use crate::stage::Stage;

mod baseline;
mod declared;
mod gateway;
mod handmade;
mod operator;

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
    Scenario { name: "handmade", core: false, limit: minutes(40), run: handmade::run },
    Scenario { name: "faults", core: true, limit: minutes(30), run: operator::faults },
    Scenario { name: "roll", core: true, limit: minutes(40), run: operator::change::config },
    Scenario { name: "disk-lost", core: true, limit: minutes(30), run: operator::disks::lost },
    Scenario { name: "gateway", core: true, limit: minutes(40), run: gateway::run },
    Scenario { name: "topic", core: true, limit: minutes(30), run: declared::topic::run },
    Scenario { name: "user", core: true, limit: minutes(30), run: declared::user::run },
    Scenario { name: "claims", core: false, limit: minutes(30), run: declared::claims::run },
    Scenario { name: "gateway-tls", core: false, limit: minutes(40), run: gateway::secured },
    Scenario { name: "rollout", core: false, limit: minutes(60), run: operator::rollout::run },
    Scenario { name: "dedicated", core: false, limit: minutes(60), run: operator::dedicated::run },
    Scenario { name: "replaced", core: false, limit: minutes(60), run: operator::replaced::run },
    Scenario { name: "listeners", core: false, limit: minutes(40), run: operator::listeners::run },
    Scenario { name: "issuer", core: false, limit: minutes(40), run: operator::issuer::run },
    Scenario { name: "repaired", core: false, limit: minutes(40), run: operator::repaired::run },
    Scenario { name: "strangers", core: false, limit: minutes(30), run: operator::strangers::run },
    Scenario { name: "authority", core: false, limit: minutes(60), run: operator::authority::run },
    Scenario { name: "refused", core: false, limit: minutes(30), run: operator::refused::run },
    Scenario { name: "disk-grows", core: false, limit: minutes(30), run: operator::disks::grow },
    Scenario { name: "scale", core: false, limit: minutes(60), run: operator::scale::run },
    Scenario {
        name: "operator-killed",
        core: false,
        limit: minutes(60),
        run: operator::change::operator_killed,
    },
    Scenario { name: "upgrade", core: false, limit: minutes(60), run: operator::change::upgrade },
    Scenario {
        name: "certificates",
        core: false,
        limit: minutes(60),
        run: operator::change::certificates,
    },
    Scenario { name: "machine-away", core: false, limit: minutes(40), run: operator::long_faults },
];
