//! The threads that take the log's steps: one writes, one syncs, one looks after checkpoints and retention.

use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::core::Core;
use super::disk::failed;
use crate::{LogError, Status};

/// How often a log without room looks whether there is some.
const SPACE_INTERVAL: Duration = Duration::from_secs(1);
/// Room that must be there before appends are promised a chance again: a group and the index entries for it.
const FREE_BYTES_MIN: u64 = 32 << 20; // four groups of 8 MiB

/// Starts the threads. They end after [`Core::stop_accepting`], when nothing is left to do.
pub(super) fn start(core: &Arc<Core>) -> Result<Vec<JoinHandle<()>>, LogError> {
    let spawn = |name: &str, run: fn(&Core)| {
        let core = core.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&core));
        thread.map_err(failed("starting the log's threads"))
    };
    Ok(vec![
        spawn("klamm-log-write", write)?,
        spawn("klamm-log-sync", sync)?,
        spawn("klamm-log-care", care)?,
    ])
}

/// Wakes all threads, to see that the log was closed.
pub(super) fn wake(core: &Core) {
    core.queue.wake();
    drop(core.groups.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    core.groups.filled.notify_all();
    core.want_maintenance();
}

fn write(core: &Core) {
    loop {
        while core.write_queued() {}
        if core.is_closed() {
            return;
        }
        core.queue.wait(|| core.is_closed());
    }
}

fn sync(core: &Core) {
    loop {
        let mut waiting = core.groups.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.is_empty() {
            if core.is_closed() {
                return;
            }
            waiting = core.groups.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        drop(waiting);
        // A failure is told to whoever waits, and kept.
        let _ = core.sync_written();
    }
}

fn care(core: &Core) {
    let (mut since_checkpoint, mut since_retention) = (Duration::ZERO, Duration::ZERO);
    loop {
        let no_room = matches!(*core.status.borrow(), Status::Unavailable(_));
        let (checkpoint, retention) =
            (core.options.checkpoint_interval, core.options.retention_interval);
        let mut pause = checkpoint
            .saturating_sub(since_checkpoint)
            .min(retention.saturating_sub(since_retention));
        if no_room {
            pause = pause.min(SPACE_INTERVAL);
        }
        let wanted = core.maintenance.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let unwanted = |wanted: &mut bool| !*wanted && !core.is_closed();
        let waited = core.maintenance.changed.wait_timeout_while(wanted, pause, unwanted);
        let (mut wanted, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let asked = std::mem::take(&mut *wanted);
        drop(wanted);
        if core.is_closed() || core.alive().is_err() {
            return;
        }
        if timeout.timed_out() {
            since_checkpoint += pause;
            since_retention += pause;
        }
        if no_room {
            look_for_room(core);
        }
        if since_retention >= retention {
            since_retention = Duration::ZERO;
            log_failure("retention", core.retain());
        }
        if asked || since_checkpoint >= checkpoint {
            since_checkpoint = Duration::ZERO;
            if asked || core.committer().wal.has_news() {
                log_failure("a checkpoint", core.checkpoint(false));
            }
        }
    }
}

fn log_failure(what: &str, result: Result<(), LogError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what} did not succeed");
    }
}

fn look_for_room(core: &Core) {
    let free = core.disk.free_bytes().is_ok_and(|free| free >= FREE_BYTES_MIN);
    if free
        && core
            .make_room(FREE_BYTES_MIN.min(core.options.disk_budget_bytes.unwrap_or(0) / 32))
            .is_ok()
    {
        core.set_space(None);
    }
}
