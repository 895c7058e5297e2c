//! Child processes: the agent is the first process of its container, so every orphan becomes its child.

use std::io;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use tokio::signal::unix::{self, SignalKind};

/// All children, ours and those we were given.
#[derive(Debug)]
pub struct Children {
    changed: unix::Signal,
}

/// A child that was started here.
#[derive(Debug)]
pub struct Child {
    /// Valid until [`Children::next`] gave it.
    pub pid: u32,
    /// What it writes.
    pub stdout: ChildStdout,
    /// What it writes about itself.
    pub stderr: ChildStderr,
}

/// A child that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub pid: u32,
    /// Its code, or 128 and the signal that ended it, as shells say it.
    pub code: u8,
}

impl Children {
    /// Becomes the one to whom orphans fall.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        // Of no effect for the first process, which has them anyway, but that need not be us: pods may share a process namespace.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self { changed: unix::signal(SignalKind::child())? })
    }

    /// Starts a program. [`Children::reap`] tells of its end.
    ///
    /// # Errors
    /// A sentence with its path.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.spawn();
        let failed = |error| format!("{}: {error}", command.get_program().display());
        let mut child = spawned.map_err(failed)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Child { pid: child.id(), stdout, stderr })
    }

    /// Waits until some child may have ended.
    pub async fn changed(&mut self) {
        // It ends only with the runtime.
        let _ = self.changed.recv().await;
    }

    /// The next one that has ended.
    pub fn reap(&self) -> Option<Ended> {
        loop {
            match waitpid(None, WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let pid = pid.as_raw_nonzero().get().cast_unsigned();
                    return Some(Ended { pid, code: code(status) });
                }
                Err(rustix::io::Errno::INTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(signal);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Sends a signal to a child that has not been reaped.
pub fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Fails only when it has ended already, which is told in its turn.
    let _ = pid.map(|pid| kill_process(pid, signal));
}
