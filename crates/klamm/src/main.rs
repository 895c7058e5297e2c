//! The messenger's program: `klamm` serves; the other commands are small clients of it.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod clock;
mod commands;
mod http;
mod logging;
mod metrics;
mod serve;
mod settings;

use settings::{Given, Settings};

/// Messages between devices and Kafka on one durable log
///
/// Without a command, klamm serves: MQTT and Kafka clients meet on a log in this process, or with --kafka on
/// an Apache Kafka cluster.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (also what happens without a command)
    Serve(Box<ServeArgs>),
    /// List, create, describe and delete topics
    Topics(commands::topics::Args),
    /// Publish messages over MQTT or Kafka
    Pub(commands::publish::Args),
    /// Print messages as they come, over MQTT or Kafka
    Sub(commands::subscribe::Args),
    /// Load with a fixed rate and percentiles of the latency
    Bench(commands::bench::Args),
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Settings file (TOML); the names are those of the flags
    #[arg(long, env = "KLAMM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Check the settings, print what would be served and end
    #[arg(long)]
    check_config: bool,

    #[command(flatten)]
    given: Given,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => serve(cli.serve),
        Some(Command::Serve(args)) => serve(*args),
        Some(Command::Topics(args)) => commands::run(commands::topics::run(args)),
        Some(Command::Pub(args)) => commands::run(commands::publish::run(args)),
        Some(Command::Sub(args)) => commands::run(commands::subscribe::run(args)),
        Some(Command::Bench(args)) => commands::run(commands::bench::run(args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("klamm: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: ServeArgs) -> Result<(), String> {
    let settings = resolve(args.config, args.given)?;
    if args.check_config {
        print!("{}", serve::describe(&settings));
        return Ok(());
    }
    logging::start(settings.log_format, &settings.log)?;
    serve::run(settings)
}

fn resolve(config: Option<PathBuf>, given: Given) -> Result<Settings, String> {
    let given = match config {
        Some(path) => given.over(Given::from_file(&path)?),
        None => given,
    };
    given.resolve()
}
