//! The operator's process.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::setup::{HOME, Setup};

/// For what takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clock ticks of a second in `/proc`: a constant of Linux' interface.
const TICKS: f64 = 100.0;

/// One that leads.
#[derive(Debug)]
pub struct Operator {
    child: Option<Child>,
    pid: u32,
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended.
            let _ = child.kill();
        }
    }
}

/// In MiB.
#[derive(Debug)]
pub struct Memory {
    pub resident: f64,
    /// Without what is mapped from files: the program.
    pub anonymous: f64,
    /// The largest `resident` so far.
    pub peak: f64,
}

impl Operator {
    /// Starts one, and tells how long it took until it led.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(
        program: &Path,
        setup: &Setup,
        work: &Path,
    ) -> Result<(Self, Duration), String> {
        let log = work.join("operator.log");
        let log = OpenOptions::new().create(true).append(true).open(log);
        let log = log.map_err(|error| error.to_string())?;
        let begun = Instant::now();
        let mut child = Command::new(program)
            .arg("run")
            .args(["--agent-image", "klamm.test/agent:0", "--klamm-image", "klamm.test/klamm:0"])
            .args(["--http-listen", "127.0.0.1:8080", "--lease-namespace", HOME])
            .args(["--log-format", "json"])
            .env("KUBECONFIG", &setup.kubeconfig)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let said = child.stderr.take().ok_or("it says nothing")?;
        let pid = child.id();
        let operator = Self { child: Some(child), pid };
        let (leads, leading) = oneshot::channel();
        std::thread::spawn(move || listen(said, log, leads));
        let leading = timeout(PATIENCE, leading).await;
        let leading =
            leading.map_err(|_| "the operator does not lead after a minute".to_owned())?;
        let at = leading.map_err(|_| "the operator ended; its log says why".to_owned())?;
        Ok((operator, at - begun))
    }

    /// Tells it to end, and waits.
    ///
    /// # Errors
    /// When it ends badly.
    pub async fn stop(mut self) -> Result<(), String> {
        let pid = self.pid.to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        told.map_err(|error| error.to_string())?;
        let mut child = self.child.take().ok_or("it has ended")?;
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        let ended = timeout(PATIENCE, waiting).await;
        let ended = ended.map_err(|_| "the operator does not end".to_owned())?;
        let status =
            ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the operator ended: {status}")) }
    }

    /// What it has.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<Memory, String> {
        let path = format!("/proc/{}/status", self.pid);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim_end_matches("kB").trim().parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).ok_or_else(|| format!("{path}: no {name}"))
        };
        Ok(Memory {
            resident: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// Seconds of a processor that it used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/stat", self.pid);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // After the name, which may have spaces: fields 3 and on.
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS)
    }
}

/// Keeps its log, and tells when it leads.
fn listen(said: ChildStderr, mut log: File, leads: oneshot::Sender<Instant>) {
    let mut leads = Some(leads);
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        if line.contains(r#""message":"leading""#)
            && let Some(leads) = leads.take()
        {
            // Nobody waits any more: it took too long.
            let _ = leads.send(Instant::now());
        }
        // A log that cannot be written is no reason not to measure.
        let _ = writeln!(log, "{line}");
    }
}
