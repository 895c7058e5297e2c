//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// How long a test waits for what must come. Long enough for a slow machine under load: it ends a test that hangs, and
/// says nothing about speed.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks. Short, so that waiting costs little; the look itself decides, not the time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The clock, read here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "the edge to the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks until there is something.
///
/// # Panics
/// When nothing came within [`PATIENCE`]; the message says what was waited for.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    holds_within(PATIENCE, look).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// Looks until there is something; `None` when nothing came within `limit`.
pub fn holds_within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now() > end {
            return None;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}
