//! `klamm-operator broker-id`: pick an id, hold it, become the given program.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use klamm_operator::broker_id::{Fill, Held, Ids, PickError, pick};

/// Pick a free broker id, hold it, and run a program with it
///
/// Each id has a directory under --base. A directory with data and without an owner comes first, so that a replacement goes on
/// where a dead broker stopped; then the lowest new id. The id is held by a lock on a file in the directory, which the program
/// inherits: it is free again the moment the program is gone, however it went.
///
/// {id}, {dir} and {env:NAME} are replaced in the program's arguments, in --env and in --template. The program also finds the id
/// in KLAMM_BROKER_ID and the directory in KLAMM_BROKER_DIR.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  klamm-operator broker-id --base /data --ids 1-3 --wait=120 \\
      --template server.properties:/tmp/server.properties \\
      -- kafka-server-start.sh /tmp/server.properties")]
pub struct Args {
    /// Directory that all brokers share
    #[arg(long, env = "KLAMM_BROKER_BASE", value_name = "DIR")]
    base: PathBuf,

    /// Ids to pick from; as many as there are brokers, or a new broker may take a new id before a dead one's is free
    #[arg(long, env = "KLAMM_BROKER_IDS", value_name = "FIRST-LAST")]
    ids: Ids,

    /// What the directories' names begin with
    #[arg(long, value_name = "TEXT", default_value = "kafka-")]
    prefix: String,

    /// While all ids are taken, wait so many seconds, or for ever [default: do not wait]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "18446744073709551615", hide_default_value = true)]
    wait: Option<u64>,

    /// Write TO, which is FROM with its placeholders replaced; may be repeated
    #[arg(long, value_name = "FROM:TO", value_parser = template)]
    template: Vec<(PathBuf, PathBuf)>,

    /// Set a variable for the program; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

fn template(text: &str) -> Result<(PathBuf, PathBuf), String> {
    match text.split_once(':') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.into(), to.into())),
        _ => Err("expected two paths, as in FROM:TO".to_owned()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Comes back only with an error.
pub fn run(args: &Args) -> Result<(), String> {
    let held = wait(args)?;
    eprintln!("klamm-operator: broker id {} in {}", held.id, held.dir.display());
    let env = |name: &str| std::env::var_os(name);
    let fill = Fill { id: held.id, dir: held.dir.as_os_str(), env };
    for (from, to) in &args.template {
        write(&fill, from, to)?;
    }
    let mut program = command(&fill, args)?;
    program.env("KLAMM_BROKER_ID", held.id.to_string()).env("KLAMM_BROKER_DIR", &held.dir);
    held.keep_across_exec().map_err(|error| format!("cannot hand on the lock: {error}"))?;
    let error = program.exec();
    Err(format!("cannot run {}: {error}", Path::new(program.get_program()).display()))
}

/// Looks again after a while that grows to five seconds: thirty starters that wait then look six times a second.
fn wait(args: &Args) -> Result<Held, String> {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(5);
    let patience = Duration::from_secs(args.wait.unwrap_or_default());
    let (mut waited, mut pause) = (Duration::ZERO, FIRST);
    loop {
        match pick(&args.base, &args.prefix, &args.ids) {
            Ok(held) => return Ok(held),
            Err(error @ PickError::AllTaken(_)) if waited < patience => {
                if waited.is_zero() {
                    eprintln!("klamm-operator: {error}\nwaiting for one to be free");
                }
            }
            Err(error @ PickError::AllTaken(_)) if args.wait.is_none() => {
                return Err(format!("{error}\n--wait waits, --ids allows more"));
            }
            Err(error) => return Err(error.to_string()),
        }
        let now = pause.min(patience.saturating_sub(waited));
        std::thread::sleep(now);
        waited += now;
        pause = (pause * 2).min(LONGEST);
    }
}

fn write(fill: &Fill<'_>, from: &Path, to: &Path) -> Result<(), String> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let text = std::fs::read(from).map_err(at(from))?;
    let text = fill.text(&text).map_err(|error| format!("{}: {error}", from.display()))?;
    let to = fill.word(to.as_os_str()).map_err(|error| error.to_string())?;
    std::fs::write(&to, text).map_err(at(Path::new(&to)))
}

fn command(fill: &Fill<'_>, args: &Args) -> Result<Command, String> {
    let word = |word: &OsStr| fill.word(word).map_err(|error| error.to_string());
    let (program, arguments) = args.program.split_first().ok_or("no program")?;
    let mut command = Command::new(word(program)?);
    for argument in arguments {
        command.arg(word(argument)?);
    }
    for (name, value) in &args.env {
        command.env(name, word(OsStr::from_bytes(value.as_bytes()))?);
    }
    Ok(command)
}
