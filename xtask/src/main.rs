//! The project's own commands: what cargo alone cannot do.
//!
//! `cargo xtask` prints the list.

// A program has no outside: `pub` here means public to the program.
#![allow(unreachable_pub)]

use std::process::ExitCode;

mod bench;
mod chaos;
mod e2e;
mod peers;
mod snapshots;
mod test;
mod tidy;
mod workspace;

const USAGE: &str = "\
cargo xtask COMMAND

  test     format, clippy, tidy, every unit, integration and scenario test
  peers    which real clients and servers are here; --install gets the others
  bench    side by side with peers, into docs/benchmarks.md; names of sections, --quick, --print
  chaos    kill -9 under load and check what was acknowledged; --rounds N
  e2e      Kafka on a real Kubernetes with faults; names of scenarios, --core, --keep, --list
  tidy     sizes of files and functions, edges between crates, banned words
  snapshots  write what tests compare with: deploy/, snapshots of manifests
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("test") => test::run(),
        Some("peers") => peers::run(args),
        Some("bench") => bench::run(&args.collect::<Vec<_>>()),
        Some("chaos") => chaos::run(args),
        Some("e2e") => e2e::run(args),
        Some("tidy") => tidy::run(),
        Some("snapshots") => snapshots::run(),
        Some("help" | "--help" | "-h") | None => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(format!("xtask: no command '{other}'\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
