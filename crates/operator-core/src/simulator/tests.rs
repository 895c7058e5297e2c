//! The simulation's claims.

use super::mutants::Mutant;
use super::run::{rehearse, simulate};

/// In CI; the environment asks for more.
const SEEDS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs seeds on all cores; the first failure of each core.
fn failures(seeds: std::ops::Range<u64>, mutant: Mutant) -> (usize, Vec<(u64, String)>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|thread| {
                let mut seeds = seeds.clone().skip(thread as usize).step_by(threads as usize);
                scope.spawn(move || {
                    let mut restarts = 0;
                    let failure = seeds.find_map(|seed| {
                        let outcome = simulate(seed, mutant, false);
                        restarts += outcome.restarts;
                        Some((seed, outcome.violations.into_iter().next()?))
                    });
                    (restarts, failure)
                })
            })
            .collect();
        let outcomes = runs.into_iter().map(|run| run.join().expect("no panic"));
        outcomes.fold((0, Vec::new()), |(restarts, mut failures), (more, failure)| {
            failures.extend(failure);
            (restarts + more, failures)
        })
    })
}

#[test]
fn every_seed_stays_safe_and_finishes() {
    if let Some(seed) = number("KLAMM_SEED") {
        let outcome = simulate(seed, Mutant::None, true);
        println!("{}", outcome.told.join("\n"));
        assert_eq!(outcome.violations, Vec::<String>::new());
        return;
    }
    let seeds = number("KLAMM_SEEDS").unwrap_or(SEEDS);
    let (restarts, failures) = failures(0..seeds, Mutant::None);
    assert_eq!(failures, [], "run one with KLAMM_SEED=<seed>");
    // Or nothing was put to the test.
    assert!(restarts as u64 > seeds, "{restarts} restarts");
}

#[test]
fn plan_is_what_happens_when_nothing_fails() {
    let mut steps = 0;
    for seed in 0..500 {
        let rehearsal = rehearse(seed);
        assert_eq!(rehearsal.planned, rehearsal.done, "seed {seed}");
        steps += rehearsal.done.len();
    }
    assert!(steps > 1_000, "{steps} steps");
}

/// What each mutant is found out by. Another violation may come first; this one has to come.
const GIVEN_AWAY_BY: [(Mutant, &str); 11] = [
    (Mutant::IgnoresIsr, "below min ISR"),
    (Mutant::IgnoresLag, "quorum lost by restart"),
    (Mutant::ReadinessIsEnough, "are down by our hand"),
    (Mutant::ForgetsRestarts, "are down by our hand"),
    (Mutant::KillsRecovery, "log recovery of"),
    (Mutant::GoesOn, "did not come back with this setup"),
    (Mutant::IgnoresTheLeader, "active controller"),
    (Mutant::Rebootstraps, "gets an id that a disk had before"),
    (Mutant::StartsUnasked, "starts with a disk that is not stored"),
    (Mutant::StopsEarly, "stopped with replicas"),
    (Mutant::GivesUp, "does not finish"),
];

#[test]
fn every_mutant_is_found_out() {
    for (mutant, violation) in GIVEN_AWAY_BY {
        let found = |seed| {
            let violations = simulate(seed, mutant, false).violations;
            violations.iter().any(|what| what.contains(violation))
        };
        assert!((0..2_000).any(found), "{mutant:?} is not found out");
    }
}
