//! `cargo xtask bench`: side by side with peers, in one run, on this machine. Writes `docs/benchmarks.md`.
//!
//! Servers run on the first core, the load tool (`klamm bench`, the same for everyone) on the others. Each row names its command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

mod kafka;
mod machine;
mod mqtt;
mod server;
mod start;
mod table;

use table::Table;

/// What the benchmarks have in common.
pub struct Bench {
    /// The release build.
    pub klamm: PathBuf,
    /// Where servers keep their data; removed at the end.
    pub scratch: tempfile::TempDir,
    /// Seconds of each load.
    pub seconds: u32,
}

/// A section of the page: its name and what makes it.
type Section = (&'static str, fn(&Bench) -> Result<Vec<Table>, String>);

const SECTIONS: &[Section] = &[
    ("start", start::run),
    ("kafka", kafka::run),
    ("durable", kafka::durable),
    ("mqtt", mqtt::run),
    ("idle", mqtt::idle),
    ("gateway", mqtt::gateway),
    ("partitions", start::partitions),
];

const USAGE: &str = "\
cargo xtask bench [SECTION...] [--quick] [--print]

  SECTION   start, kafka, durable, mqtt, idle, gateway, partitions [default: all, into docs/benchmarks.md]
  --quick   a second for each load instead of eight
  --print   leaves docs/benchmarks.md alone
";

/// `args`: names of sections, none for all; `--quick` for a second each; `--print` leaves the page alone.
pub fn run(args: &[String]) -> Result<(), String> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return Ok(());
    }
    let known = ["--quick", "--print"];
    let options = args.iter().map(String::as_str).filter(|arg| arg.starts_with('-'));
    if let Some(option) = options.clone().find(|option| !known.contains(option)) {
        return Err(format!("xtask: bench: no option '{option}'\n\n{USAGE}"));
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let print = args.iter().any(|arg| arg == "--print");
    let names: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    if let Some(name) = names.iter().find(|name| SECTIONS.iter().all(|(known, _)| known != *name)) {
        return Err(format!("xtask: bench: no section '{name}'\n\n{USAGE}"));
    }
    workspace::run("cargo", &["build", "--release", "--package", "klamm"])?;
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let bench = Bench {
        klamm: workspace::target().join("release/klamm"),
        scratch,
        seconds: if quick { 1 } else { 8 },
    };
    let mut page = machine::heading()?;
    for (name, section) in SECTIONS {
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        eprintln!("xtask: bench {name}");
        for table in section(&bench)? {
            let text = table.markdown();
            eprintln!("\n{text}");
            page.push('\n');
            page.push_str(&text);
        }
    }
    if names.is_empty() && !print {
        write_page(&workspace::root().join("docs/benchmarks.md"), &page)?;
    }
    Ok(())
}

/// Replaces what stands between the marks of the page; the words around it are people's.
fn write_page(path: &Path, results: &str) -> Result<(), String> {
    const BEGIN: &str = "<!-- results -->\n";
    const END: &str = "<!-- end of results -->";
    let error = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(error)?;
    let found = text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (_, tail)) =
        found.ok_or_else(|| format!("{}: the marks of the results are gone", path.display()))?;
    std::fs::write(path, format!("{head}{BEGIN}{results}{END}{tail}")).map_err(error)
}

impl Bench {
    /// Runs `klamm bench` on the cores that the servers leave, and reads its JSON.
    pub fn load(&self, args: &[&str]) -> Result<serde_json::Value, String> {
        let mut command = Command::new("taskset");
        command.args(["-c", machine::LOAD_CORES]).arg(&self.klamm).arg("bench").args(args);
        let line = format!("klamm bench {}", args.join(" "));
        let output = command.arg("--json").output().map_err(|e| format!("'{line}': {e}"))?;
        if !output.status.success() {
            return Err(format!("'{line}': {}", String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("'{line}': {error}"))
    }
}
