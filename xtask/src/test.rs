//! `cargo xtask test`: everything that must hold, cheapest first.

use crate::{tidy, workspace};

pub fn run() -> Result<(), String> {
    workspace::run("cargo", &["fmt", "--all", "--check"])?;
    tidy::run()?;
    workspace::run(
        "cargo",
        &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
    )?;
    workspace::run("cargo", &["test", "--workspace", "--quiet"])
}
