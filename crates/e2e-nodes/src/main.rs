//! A load generator for the operator: hundreds of nodes that are no nodes, and what the operator costs while it looks after them.
//!
//! ```text
//!   kubectl apply --> API server <-- operator --HTTPS--> agent  |
//!                         ^                 \---Kafka--> Kafka  |  this process, at every pod's address
//!                         +--- machines, disks, kubelet --------+
//! ```
//!
//! API server, controllers, scheduler and operator are real. Machines, disks, kubelets, agents and Kafka are played by this process: a
//! pod runs as soon as it is scheduled, an agent formats and starts at once, and Kafka is a table of topics ([`kafka`]). So times
//! measured here are those of the operator and of Kubernetes; a real Kafka adds its own.
//!
//! # Non-goals
//! Being a Kafka: there are no records, no replication that takes time and no faults. What the operator does in faults is the table of
//! `crates/e2e`, on real nodes.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

mod agent;
mod certificates;
mod disks;
mod kafka;
mod kubelet;
mod listen;
mod machines;
mod measure;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulated nodes for the operator
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play nodes until killed
    Play,
    /// Play nodes, run the operator on them, and print what it costs
    Measure(measure::Args),
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let result = runtime.block_on(async {
            match Cli::parse().command {
                Command::Play => play().await,
                Command::Measure(args) => measure::run(args).await,
            }
        });
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("klamm-e2e-nodes: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn play() -> Result<(), String> {
    let client = kube::Client::try_default().await.map_err(|error| error.to_string())?;
    let ended = world::play(&client, world::Shared::default()).await?.join_next().await;
    Err(format!("a part ended: {ended:?}"))
}
