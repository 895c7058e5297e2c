//! `klamm bench mqtt-connect`: connections, and nothing on them.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Line, Target};
use crate::commands::bench::measure::Tally;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// Connections
    #[arg(short, long, default_value_t = 1000, value_name = "N")]
    connections: u32,

    /// Of them being made at the same time
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,

    /// Keep them so long
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    hold: u64,

    /// The result as one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<(), String> {
    let start = Instant::now();
    let mut making = JoinSet::new();
    for first in 0..args.at_once {
        making.spawn(make(args.clone(), first));
    }
    let mut total = Tally::default();
    let mut open = Vec::new();
    for (tally, lines) in making.join_all().await {
        total.add(&tally);
        open.extend(lines);
    }
    let elapsed = start.elapsed();
    total.report("mqtt-connect", "connections", elapsed, args.json)?;
    if args.hold > 0 {
        eprintln!("holding {} connections for {} s", open.len(), args.hold);
        tokio::time::sleep(Duration::from_secs(args.hold)).await;
    }
    Ok(())
}

async fn make(args: Args, first: u32) -> (Tally, Vec<Line>) {
    let (mut tally, mut open) = (Tally::default(), Vec::new());
    for number in (first..args.connections).step_by(args.at_once as usize) {
        let due = Instant::now();
        match args.target.connect(&format!("klamm-bench-{number}")).await {
            Ok(line) => {
                tally.done(1, 0, due, Instant::now());
                open.push(line);
            }
            Err(error) => tally.fail(1, &error),
        }
    }
    (tally, open)
}
