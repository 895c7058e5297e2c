//! Where and of what the numbers are.

use std::process::Command;

use crate::workspace;

/// The server's core, and those of the load tool.
pub const SERVER_CORE: &str = "0";
pub const LOAD_CORES: &str = "1";

/// The clock, read here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "the edge to the real clock")]
pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Machine, commit and date.
pub fn heading() -> Result<String, String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").map_err(|error| error.to_string())?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = std::fs::read_to_string("/proc/meminfo").map_err(|error| error.to_string())?;
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"])?;
    let date = output("date", &["-u", "+%Y-%m-%d"])?;
    Ok(format!(
        "{cores} cores of {model}, {} GiB, Linux {}; commit {commit}, {date}; `cargo xtask bench`.\n\
         The server has core {SERVER_CORE} alone, the load tool core {LOAD_CORES}; loopback.\n",
        kib >> 20,
        kernel.trim(),
    ))
}

fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).current_dir(workspace::root()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
