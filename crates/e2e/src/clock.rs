//! The clock, read here and nowhere else.

use std::time::Instant;

/// This moment.
#[expect(clippy::disallowed_methods, reason = "the edge to the real clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since a moment.
pub fn since_ms(start: Instant) -> u64 {
    now().saturating_duration_since(start).as_millis() as u64
}
