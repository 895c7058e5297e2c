//! How an embedded log is set up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Settings of an [`super::EmbeddedLog`] as a whole; what differs by topic is a topic configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// Partitions of a topic that is made without a number.
    pub default_partitions: u32,
    /// Bytes of segment files over all topics; the oldest segments go first when it is reached.
    pub disk_budget_bytes: Option<u64>,
    /// Bytes of one file of the write-ahead log.
    pub wal_file_bytes: u64,
    /// Bytes in the write-ahead log after which a checkpoint begins.
    pub checkpoint_bytes: u64,
    /// Time after which a checkpoint begins if anything was written.
    pub checkpoint_interval: Duration,
    /// Bytes admitted and not yet as durable as their topic asks; an append beyond them is refused
    /// with [`crate::LogError::Full`].
    pub pending_bytes: usize,
    /// How often retention by time is looked at.
    pub retention_interval: Duration,
    /// Smallest `segment.bytes` a topic may have.
    pub segment_bytes_min: u64,
    /// Segment files open at a time.
    pub open_files: usize,
    /// Files synced at a time at a checkpoint.
    pub sync_threads: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for Options {
    /// 4 partitions, no disk budget, files of 64 MiB, a checkpoint every 256 MiB or 30 s.
    fn default() -> Self {
        Self {
            default_partitions: 4,
            disk_budget_bytes: None,
            wal_file_bytes: 64 << 20,
            // Four files: a recovery reads at most these and what came in while a checkpoint ran.
            checkpoint_bytes: 256 << 20,
            checkpoint_interval: Duration::from_secs(30),
            // About 0.4 s of a disk that writes 155 MB/s.
            pending_bytes: 64 << 20,
            retention_interval: Duration::from_secs(30),
            segment_bytes_min: 1 << 20, // KIP-1030
            // A fifth or so of the usual soft limit of 4,096 descriptors and more; sockets need the rest.
            open_files: 1000,
            // Many files synced one by one cost 4 ms each on a cloud disk, eight at a time about a tenth of that.
            sync_threads: 8,
            clock: Clock::default(),
        }
    }
}

/// Milliseconds since 1970: the system's, or one that tests move by hand.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// A clock that shows what `time_ms` holds.
    pub fn by_hand(time_ms: Arc<AtomicI64>) -> Self {
        Self(Some(time_ms))
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Some(time_ms) => time_ms.load(Ordering::Relaxed),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(by hand)" } else { "Clock(system)" })
    }
}
