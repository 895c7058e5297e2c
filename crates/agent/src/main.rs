//! The program in a Kafka pod.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod children;
mod disk;
mod http;
mod install;
mod kafka;
mod life;
mod listener;
mod output;
mod readiness;
mod recovery;
mod run;
mod shared;
mod socket;
mod subject;
#[cfg(test)]
mod testing;
mod tls;

/// Beside Apache Kafka in its pod: formats its disk, starts it and watches it, as the operator permits
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy this program into a directory
    Install {
        /// The directory
        dir: PathBuf,
    },
    /// Supervise Kafka
    Run {
        /// Directory of agent.json, server.properties and log4j2.yaml
        #[arg(long, env = "KLAMM_AGENT_CONFIG_DIR", default_value = "/etc/klamm/pod")]
        config_dir: PathBuf,
        /// Directory of keystore.pem, truststore.pem and clients-truststore.pem
        #[arg(long, env = "KLAMM_AGENT_TLS_DIR", default_value = "/etc/klamm/tls")]
        tls_dir: PathBuf,
        #[command(flatten)]
        run_dir: RunDir,
        /// Address for the operator's calls [default: port 9099 of every address]
        #[arg(long, env = "KLAMM_AGENT_LISTEN")]
        listen: Option<SocketAddr>,
    },
    /// Ask the agent that runs; ends with 0 for yes
    Probe {
        /// What to ask
        question: Question,
        #[command(flatten)]
        run_dir: RunDir,
    },
    /// Print what the agent that runs tells the operator
    State {
        #[command(flatten)]
        run_dir: RunDir,
    },
}

#[derive(Debug, clap::Args)]
struct RunDir {
    /// Directory of the agent's socket and of what it writes for Kafka
    #[arg(long, env = "KLAMM_AGENT_RUN_DIR", default_value = "/run/kafka")]
    run_dir: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Question {
    /// Is the agent alive?
    Live,
    /// Is Kafka ready?
    Ready,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Install { dir } => install::install(&dir).map(|()| ExitCode::SUCCESS),
        Command::Run { config_dir, tls_dir, run_dir, listen } => {
            let places = kafka::Places { config_dir, tls_dir, run_dir: run_dir.run_dir };
            run(places, listen)
        }
        Command::Probe { question: Question::Live, run_dir } => {
            Ok(socket::ask(&run_dir.run_dir, "live"))
        }
        Command::Probe { question: Question::Ready, run_dir } => {
            Ok(socket::ask(&run_dir.run_dir, "ready"))
        }
        Command::State { run_dir } => Ok(socket::ask(&run_dir.run_dir, "state")),
    };
    done.unwrap_or_else(|message| {
        eprintln!("klamm-agent: {message}");
        ExitCode::FAILURE
    })
}

fn run(places: kafka::Places, listen: Option<SocketAddr>) -> Result<ExitCode, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Disks are read one at a time, and asked for their room by whoever calls.
    let runtime = runtime.enable_all().max_blocking_threads(4).build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let code = runtime.block_on(run::run(places, listen))?;
    // A disk that does not answer must not keep the pod.
    runtime.shutdown_background();
    Ok(code.into())
}
