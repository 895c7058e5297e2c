//! The end-to-end table's program: runs scenarios, and is their load. `cargo xtask e2e` builds and calls it.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use klamm_e2e::{devices, load, runner};

/// Apache Kafka on a real Kubernetes, with faults
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios on the cluster that kubectl reaches
    Run(Box<runner::Args>),
    /// Write and read until told to stop, and tell what was lost
    Load(load::Spec),
    /// Publish and hear over MQTT until told to stop, and tell what was lost
    Devices(devices::Spec),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => return runner::run(&args),
        Command::Load(spec) => load::program::run(spec),
        Command::Devices(spec) => devices::program::run(spec),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("klamm-e2e: {message}");
            ExitCode::FAILURE
        }
    }
}
