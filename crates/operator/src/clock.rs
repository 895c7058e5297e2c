//! The one place that asks what time it is.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine started, the time it was suspended included.
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds * 1000 + nanos / 1_000_000
}
