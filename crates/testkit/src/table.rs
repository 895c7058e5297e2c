//! A table of test cases run by a program of its own (`harness = false`): cases share what is slow to start, and it
//! ends when the program does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::patience::now;
use crate::{Skip, end_all};

/// A case is stopped, and the run with it, after this time unless it says otherwise: the longest takes a tenth of it on
/// two cores.
const CASE_TIME: Duration = Duration::from_secs(300);

/// Cases at a time, unless `--test-threads` or `KLAMM_TEST_THREADS` says otherwise: one for each core of a small machine.
const THREADS: usize = 2;

/// One row.
pub struct Case<'a> {
    /// What it is called; a part of the name chooses it.
    pub name: String,
    /// The test: panics when it fails.
    run: Box<dyn Fn() -> Result<(), Skip> + Send + Sync + 'a>,
    limit: Duration,
}

impl<'a> Case<'a> {
    /// A case that is done within five minutes.
    pub fn new(name: String, run: impl Fn() -> Result<(), Skip> + Send + Sync + 'a) -> Self {
        Self { name, run: Box::new(run), limit: CASE_TIME }
    }

    /// A case that may take longer.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

enum Outcome {
    Passed,
    Failed,
    Skipped(Skip),
}

/// What the command line asks for, in the words of Rust's own test runner.
struct Asked {
    list: bool,
    exact: bool,
    threads: usize,
    names: Vec<String>,
    not: Vec<String>,
}

impl Asked {
    fn from(arguments: impl Iterator<Item = String>) -> Self {
        let threads = std::env::var("KLAMM_TEST_THREADS").ok().and_then(|n| n.parse().ok());
        let mut asked = Self {
            list: false,
            exact: false,
            threads: threads.unwrap_or(THREADS),
            names: Vec::new(),
            not: Vec::new(),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--list" => asked.list = true,
                "--exact" => asked.exact = true,
                "--skip" => asked.not.extend(arguments.next()),
                "--test-threads" => {
                    let count = arguments.next().and_then(|n| n.parse().ok());
                    asked.threads = count.unwrap_or(asked.threads);
                }
                // Options about output: this runner has one kind.
                option if option.starts_with('-') => {}
                name => asked.names.push(name.to_owned()),
            }
        }
        asked
    }

    fn wants(&self, name: &str) -> bool {
        let matches = |pattern: &String| {
            if self.exact { name == pattern } else { name.contains(pattern.as_str()) }
        };
        (self.names.is_empty() || self.names.iter().any(matches)) && !self.not.iter().any(matches)
    }
}

/// Runs the cases that the command line asks for and tells how each went. With `CI=true` a case that cannot run
/// counts as failed.
pub fn run(cases: Vec<Case<'_>>) -> ExitCode {
    let asked = Asked::from(std::env::args().skip(1));
    let wanted: Vec<Case<'_>> = cases.into_iter().filter(|case| asked.wants(&case.name)).collect();
    if asked.list {
        wanted.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let (passed, failed, skipped) = run_all(wanted, asked.threads.max(1));
    println!("\n{passed} passed, {} failed, {} skipped", failed.len(), skipped.len());
    failed.iter().for_each(|name| println!("failed: {name}"));
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    if strict && !skipped.is_empty() {
        println!("with CI=true nothing may be skipped");
    }
    let good = failed.is_empty() && (skipped.is_empty() || !strict);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(cases: Vec<Case<'_>>, threads: usize) -> (usize, Vec<String>, Vec<String>) {
    let running: Mutex<Vec<(String, Instant, Duration)>> = Mutex::new(Vec::new());
    let queue = Mutex::new(VecDeque::from(cases));
    let results = Mutex::new((0, Vec::new(), Vec::new()));
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        while let Some(case) = take() {
            let started = now();
            with(&running, |running| running.push((case.name.clone(), started, case.limit)));
            let outcome = outcome(&case);
            with(&running, |running| running.retain(|(name, ..)| *name != case.name));
            let took = (now() - started).as_secs_f32();
            with(&results, |(passed, failed, skipped)| match outcome {
                Outcome::Passed => {
                    println!("ok       {} ({took:.1} s)", case.name);
                    *passed += 1;
                }
                Outcome::Failed => {
                    println!("FAILED   {} ({took:.1} s)", case.name);
                    failed.push(case.name);
                }
                Outcome::Skipped(why) => {
                    println!("skipped  {}: {why}", case.name);
                    skipped.push(case.name);
                }
            });
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            with(&running, |running| stop_if_too_long(running));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn with<T, R>(mutex: &Mutex<T>, action: impl FnOnce(&mut T) -> R) -> R {
    action(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

fn outcome(case: &Case<'_>) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| (case.run)())) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(skip)) => Outcome::Skipped(skip),
        Err(_) => Outcome::Failed,
    }
}

fn stop_if_too_long(running: &[(String, Instant, Duration)]) {
    let now = now();
    let late = running.iter().find(|(_, started, limit)| now - *started > *limit);
    if let Some((name, _, limit)) = late {
        println!("FAILED   {name}: not done after {} s; stopping the run", limit.as_secs());
        end_all();
        std::process::exit(101);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_counted_as_it_went() {
        let cases = vec![
            Case::new("good".into(), || Ok(())),
            Case::new("bad".into(), || panic!("as it should")),
            Case::new("absent".into(), || Err(Skip("peer".into()))),
        ];
        let (passed, failed, skipped) = run_all(cases, 2);
        assert_eq!((passed, failed, skipped), (1, vec!["bad".into()], vec!["absent".into()]));
    }

    #[test]
    fn names_choose_by_part_and_exactly() {
        let asked = |line: &str| Asked::from(line.split(' ').map(str::to_owned));
        assert!(asked("--quiet kcat").wants("embedded: kcat reads"));
        assert!(!asked("--exact kcat").wants("embedded: kcat reads"));
        assert!(!asked("--skip kcat").wants("embedded: kcat reads"));
    }
}
