//! Logging about peers without letting peers fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines within a [`WINDOW`]: enough to see what is going on.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// Bounds how often a line about peers is logged.
#[derive(Debug, Default)]
pub struct LineLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl LineLimit {
    /// Whether a line may be logged now: `Some` with the number of those that were not since the last one.
    pub fn allow(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.since.is_none_or(|since| now >= since + WINDOW) {
            state.since = Some(now);
            state.lines = 0;
        }
        if state.lines == LINES {
            state.suppressed += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn storm_is_counted_and_told_later() {
        let limit = LineLimit::default();
        let allowed = (0..100).filter(|_| limit.allow() == Some(0)).count();
        assert_eq!(allowed, LINES as usize);
        tokio::time::advance(WINDOW).await;
        assert_eq!(limit.allow(), Some(90));
        assert_eq!(limit.allow(), Some(0));
    }
}
