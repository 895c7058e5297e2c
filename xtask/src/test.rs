//! `cargo xtask test`: everything that must hold, cheapest first.
//!
//! With `CI=true` missing peers are installed and no test may be skipped, and the core of the end-to-end table runs; without
//! it, tests whose peers are missing are skipped by name.

use crate::{peers, tidy, workspace};

/// Minutes for a step when `CI=true`: several times what it takes on two cores without any cache, so that a step that
/// hangs ends the run with its name instead of the run's own limit.
const STEP_MINUTES: u64 = 30;

pub fn run() -> Result<(), String> {
    step("cargo", &["fmt", "--all", "--check"])?;
    step("cargo", &["fmt", "--manifest-path", FUZZ, "--check"])?;
    tidy::run()?;
    let warnings = ["--all-targets", "--quiet", "--", "-D", "warnings"];
    step("cargo", &[&["clippy", "--workspace", "--features", TLS][..], &warnings].concat())?;
    // Without TLS, as in `klamm`.
    step("cargo", &[&["clippy", "--package", "klamm-kafka"][..], &warnings].concat())?;
    step("cargo", &["test", "--manifest-path", FUZZ, "--no-default-features", "--quiet"])?;
    if is_ci() {
        peers::install()?;
    } else if !peers::list() {
        eprintln!("xtask: tests whose peers are missing are skipped");
    }
    step("cargo", &["test", "--workspace", "--features", TLS, "--quiet"])?;
    if is_ci() {
        // What clusters are made of, once; and never on a cluster that happens to be configured.
        step("e2e/kube/kube", &["build"])?;
        step("env", &["-u", "KUBECONFIG", "cargo", "xtask", "e2e", "--core", "--seed", "1"])?;
    }
    Ok(())
}

/// A workspace of its own, since the fuzzer wants a nightly toolchain; its checks do not.
const FUZZ: &str = "fuzz/Cargo.toml";

/// The client's TLS, tested against real brokers.
const TLS: &str = "klamm-kafka/tls";

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Runs one step; on CI within its time.
fn step(program: &str, args: &[&str]) -> Result<(), String> {
    if !is_ci() {
        return workspace::run(program, args);
    }
    let seconds = (STEP_MINUTES * 60).to_string();
    let mut limited = vec!["--verbose", "--kill-after=30", &seconds, program];
    limited.extend(args);
    workspace::run("timeout", &limited)
}
