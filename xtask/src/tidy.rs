//! `cargo xtask tidy`: the house rules a compiler does not check.
//!
//! - Files: warned over 600 lines, refused over 1,000 (tests at the end count).
//! - Functions: warned over 70 lines, refused over 100, unless a line above says `// tidy: flat match`.
//! - Crate edges: the invariants of absence in `ARCHITECTURE.md`.
//! - Words: no marks of unfinished work in source.
//! - Limits: a `const` whose name ends in `_MAX`, `_MIN` or `_LIMIT` says above it where the number comes from.

use std::path::Path;

use crate::workspace;

mod edges;
mod source;

/// One broken rule: where, and what to do.
pub struct Finding {
    pub place: String,
    pub message: String,
    pub fatal: bool,
}

pub fn run() -> Result<(), String> {
    let root = workspace::root();
    let mut findings = edges::check(&root)?;
    for path in workspace::files(&root, "rs") {
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        findings.extend(source::check(&relative(&root, &path), &text));
    }
    let mut fatal = 0;
    for finding in &findings {
        let kind = if finding.fatal { "error" } else { "warning" };
        eprintln!("tidy: {kind}: {}: {}", finding.place, finding.message);
        fatal += usize::from(finding.fatal);
    }
    if fatal == 0 { Ok(()) } else { Err(format!("xtask: tidy: {fatal} broken rules")) }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
