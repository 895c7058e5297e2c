//! The operator's program.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;
mod logging;

/// Apache Kafka as the stateful thing it is: stable identity, stable disk
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<commands::run::Args>),
    Plan(commands::plan::Args),
    BrokerId(Box<commands::broker_id::Args>),
    /// Print the custom resource definitions
    Crds,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => commands::run::run(*args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::BrokerId(args) => commands::broker_id::run(&args),
        Command::Crds => {
            commands::crds::run(&mut std::io::stdout().lock()).map_err(|e| e.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("klamm-operator: {message}");
            ExitCode::FAILURE
        }
    }
}
