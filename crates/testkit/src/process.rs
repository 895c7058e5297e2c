//! A process of another program, its output kept.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::patience::{PATIENCE, holds_within};

/// Output kept of each stream: the last 8 to 16 MiB. What a test asks for is far smaller; a process that floods costs no more.
const KEPT_BYTES: usize = 16 << 20;

/// Processes started here and not ended yet.
static LIVE: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panicked while it held the lock left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Arc<Mutex<Child>>,
    pid: u32,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote about itself.
    pub stderr: String,
}

impl Finished {
    /// The output of a process that succeeded.
    ///
    /// # Panics
    /// When it did not; the message has its output.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(
            self.status.success(),
            "{} ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.name,
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs a command to its end, within [`PATIENCE`].
///
/// # Panics
/// When it cannot be started or does not end.
#[track_caller]
pub fn run(name: &str, command: Command) -> Finished {
    Process::start(name, command).finish()
}

/// Runs a command that reads `input`.
///
/// # Panics
/// As [`run`].
#[track_caller]
pub fn run_with_input(name: &str, command: Command, input: &[u8]) -> Finished {
    let process = Process::start(name, command);
    process.write(input);
    process.finish()
}

impl Process {
    /// Starts a command.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let pid = child.id();
        let (stdout, stderr) = <(Arc<Mutex<Vec<u8>>>, Arc<Mutex<Vec<u8>>>)>::default();
        let readers = vec![
            keep(child.stdout.take().expect("piped"), &stdout),
            keep(child.stderr.take().expect("piped"), &stderr),
        ];
        let child = Arc::new(Mutex::new(child));
        lock(&LIVE).push(Arc::clone(&child));
        Self { name: name.to_owned(), child, pid, stdout, stderr, readers }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When standard input was closed before.
    pub fn write(&self, bytes: &[u8]) {
        let mut stdin = lock(&self.child).stdin.take().expect("standard input is open");
        // A process that has ended reads nothing; its status tells.
        let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
        lock(&self.child).stdin = Some(stdin);
    }

    /// Closes its standard input.
    pub fn close_input(&self) {
        drop(lock(&self.child).stdin.take());
    }

    /// What it wrote so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stdout)).into_owned()
    }

    /// What it wrote about itself so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stderr)).into_owned()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// Waits until `look` finds something in what it wrote.
    ///
    /// # Panics
    /// When nothing is found before it ends or within [`PATIENCE`].
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&str) -> Option<T>) -> T {
        let found = holds_within(PATIENCE, || {
            // Looked at before the output, so that the last words are not missed.
            let running = self.is_running();
            match look(&self.stdout()) {
                Some(found) => Some(Ok(found)),
                None if running => None,
                None => Some(Err("ended before")),
            }
        });
        match found.unwrap_or(Err("took too long")) {
            Ok(found) => found,
            Err(why) => panic!("{} {why}: {what}\n{}", self.name, self.everything()),
        }
    }

    /// Waits for its end, standard input closed.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        self.close_input();
        let status = self.wait(PATIENCE).unwrap_or_else(|| {
            self.kill();
            panic!("{} does not end\n{}", self.name, self.everything())
        });
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        let (stdout, stderr) = (self.stdout(), self.stderr());
        Finished { name: self.name.clone(), status, stdout, stderr }
    }

    /// Waits for its end; `None` when it does not come.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        holds_within(limit, || lock(&self.child).try_wait().ok().flatten())
    }

    /// SIGKILL, as by `kill -9` or a lack of memory.
    pub fn kill(&self) {
        let mut child = lock(&self.child);
        // Fails only when it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// SIGTERM, as by a supervisor.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by name, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        // While the child is not waited for, its id is nobody else's.
        let child = lock(&self.child);
        let _ = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    }

    /// Output of both streams, for a message.
    pub fn everything(&self) -> String {
        format!("--- stdout of {}\n{}\n--- stderr\n{}", self.name, self.stdout(), self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        lock(&LIVE).retain(|child| !Arc::ptr_eq(child, &self.child));
    }
}

/// Kills every process that was started here and runs, before this process ends without unwinding.
pub fn end_all() {
    for child in lock(&LIVE).iter() {
        let _ = lock(child).kill();
    }
}

fn keep(
    mut from: impl Read + Send + 'static,
    into: &Arc<Mutex<Vec<u8>>>,
) -> std::thread::JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let mut kept = lock(&into);
            kept.extend_from_slice(&buffer[..count]);
            if kept.len() > KEPT_BYTES {
                kept.drain(..KEPT_BYTES / 2);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_are_kept() {
        let finished = run_with_input("sh", shell("cat; echo b >&2; exit 3"), b"a");
        assert_eq!((&*finished.stdout, &*finished.stderr), ("a", "b\n"));
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    #[should_panic(expected = "ended before: c")]
    fn waiting_for_a_word_ends_with_the_process() {
        Process::start("sh", shell("echo a")).wait_for("c", |text| text.find('c'));
    }

    #[test]
    fn process_ends_with_its_owner() {
        let process = Process::start("sh", shell("echo on; read x"));
        process.wait_for("on", |text| text.find("on"));
        let pid = process.pid();
        drop(process);
        let gone = Command::new("kill").args(["-0", &pid.to_string()]).output().unwrap();
        assert!(!gone.status.success());
    }
}
