//! How much moves together.

use super::Limits;
use crate::model::Observed;

/// Room for further reassignments beside those in flight.
#[derive(Debug)]
pub(super) struct Room {
    partitions: usize,
    bytes: u64,
    moving: bool,
}

impl Room {
    pub(super) fn beside(observed: &Observed, limits: &Limits) -> Self {
        let moving = observed.partitions().iter().filter(|p| p.is_moving());
        let (count, bytes) = moving.fold((0, 0u64), |(count, bytes), p| {
            (count + 1, bytes.saturating_add(p.bytes.saturating_mul(p.adding.len() as u64)))
        });
        Self {
            partitions: limits.partitions_max.saturating_sub(count),
            bytes: limits.bytes_max.saturating_sub(bytes),
            moving: count > 0,
        }
    }

    /// Takes room for one partition. One that is larger than any room moves alone.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let fits = self.partitions > 0 && (bytes <= self.bytes || !self.moving);
        if fits {
            self.partitions -= 1;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.moving = true;
        }
        fits
    }
}
