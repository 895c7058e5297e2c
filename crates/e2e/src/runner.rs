//! Runs the table: one scenario after the other, since they share machines and two cores.

mod evidence;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::{now, since_ms};
use crate::cluster::{Cluster, Images};
use crate::end::End;
use crate::kubectl::Namespace;
use crate::scenarios::{ALL, Scenario};
use crate::stage::{Number, Stage};

/// What to run, and on what.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Scenarios whose name contains one of these; all without
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Only what continuous integration runs
    #[arg(long)]
    pub core: bool,
    /// Name the scenarios and run none
    #[arg(long)]
    pub list: bool,
    /// Leave the namespaces of scenarios there
    #[arg(long)]
    pub keep: bool,
    /// Make the choices of an earlier run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The program of e2e/kube, where the cluster is one of it; machines can be hurt then
    #[arg(long, value_name = "PATH")]
    pub harness: Option<PathBuf>,
    /// Where what a failed scenario left is told, and the numbers
    #[arg(long, value_name = "DIR", default_value = "target/e2e")]
    pub output: PathBuf,
    /// Images that scenarios use
    #[command(flatten)]
    pub images: Images,
}

/// How one scenario went.
#[derive(Debug, serde::Serialize)]
struct Row {
    scenario: &'static str,
    outcome: &'static str,
    why: String,
    seconds: u64,
    numbers: Vec<Number>,
}

/// Runs what is asked for and prints the table. With `CI=true` a scenario that cannot run counts as failed.
pub fn run(args: &Args) -> ExitCode {
    let wanted: Vec<&Scenario> = ALL.iter().filter(|scenario| wants(args, scenario)).collect();
    if args.list {
        for scenario in wanted {
            println!("{}{}", scenario.name, if scenario.core { " (core)" } else { "" });
        }
        return ExitCode::SUCCESS;
    }
    if wanted.is_empty() {
        eprintln!("klamm-e2e: no scenario is called {:?}; --list names them", args.names);
        return ExitCode::FAILURE;
    }
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seed = args.seed.unwrap_or_else(clock);
    println!("{} scenarios, --seed {seed}", wanted.len());
    let cluster = Cluster::new(args.harness.clone(), args.images.clone());
    let rows: Vec<Row> =
        wanted.iter().map(|scenario| one(args, &cluster, scenario, seed)).collect();
    table(&rows);
    let numbers = args.output.join("numbers.json");
    let text = serde_json::to_string_pretty(&rows).unwrap_or_default();
    match std::fs::create_dir_all(&args.output).and_then(|()| std::fs::write(&numbers, text)) {
        Ok(()) => println!("numbers: {}", numbers.display()),
        Err(error) => println!("numbers cannot be written to {}: {error}", numbers.display()),
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let bad = |row: &Row| row.outcome == "FAILED" || (strict && row.outcome == "skipped");
    if rows.iter().any(bad) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wants(args: &Args, scenario: &Scenario) -> bool {
    let named = args.names.is_empty() || args.names.iter().any(|n| scenario.name.contains(n));
    named && (scenario.core || !args.core)
}

fn one(args: &Args, cluster: &Cluster, scenario: &Scenario, seed: u64) -> Row {
    println!("--- {}", scenario.name);
    let start = now();
    let (ended, numbers) = watched(args, cluster, scenario, seed);
    let (outcome, why) = match ended {
        Ok(()) => ("ok", String::new()),
        Err(End::Skipped(why)) => ("skipped", why),
        Err(End::Failed(why)) => ("FAILED", why),
    };
    println!("--- {}: {outcome} {why}", scenario.name);
    Row { scenario: scenario.name, outcome, why, seconds: since_ms(start) / 1000, numbers }
}

/// A scenario that does not end ends the program: what it started ends with it.
fn watched(
    args: &Args,
    cluster: &Cluster,
    scenario: &Scenario,
    seed: u64,
) -> (Result<(), End>, Vec<Number>) {
    let (done, over) = sync_channel(1);
    let (args, limit) = (args.clone(), scenario.limit);
    let (cluster, scenario) = (Arc::new(cluster.clone()), *scenario);
    let running = Arc::clone(&cluster);
    let folder = args.output.join(scenario.name);
    let late = folder.clone();
    std::thread::spawn(move || {
        let mut stage = Stage::new(&running, seed);
        let mut ended = (scenario.run)(&mut stage);
        if let Err(End::Failed(_)) = ended {
            evidence::collect(&folder);
        }
        if let Err(error) = tidy(&stage, args.keep) {
            ended = ended.and(Err(End::Failed(format!("afterwards: {error}"))));
        }
        // Whoever waits gave up: nobody is told.
        let _ = done.send((ended, stage.numbers().to_vec()));
    });
    match over.recv_timeout(limit) {
        Ok(told) => told,
        Err(RecvTimeoutError::Disconnected) => {
            (Err(End::Failed("it panicked".to_owned())), Vec::new())
        }
        Err(RecvTimeoutError::Timeout) => {
            evidence::collect(&late);
            println!("FAILED {}: not done after {} s", scenario.name, limit.as_secs());
            std::process::exit(101);
        }
    }
}

/// Machines as they should be, and the scenario's namespaces gone.
fn tidy(stage: &Stage<'_>, keep: bool) -> Result<(), String> {
    stage.cluster().restore()?;
    if keep {
        return Ok(());
    }
    stage.namespaces().iter().try_for_each(Namespace::remove)
}

fn table(rows: &[Row]) {
    println!("\n{:24} {:8} {:>7}  numbers", "scenario", "outcome", "seconds");
    for row in rows {
        println!("{:24} {:8} {:>7}  {}", row.scenario, row.outcome, row.seconds, row.why);
        for number in &row.numbers {
            println!("{:42} {}: {} {}", "", number.name, number.value, number.unit);
        }
    }
}
