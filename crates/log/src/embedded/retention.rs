//! Giving up old records: by age, by size, over the disk budget, and when told to.
//!
//! Kafka never gives up the segment being written, so a quiet topic keeps its records for ever. Here it goes too: when
//! its newest record is too old, or the disk budget needs it, and the next append begins another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::chain::Chain;
use super::config::TopicConfig;
use super::core::Core;
use super::store::Store;
use super::wal::record::Event;
use crate::LogError;

impl Core {
    /// Applies retention by time and size, and forgets producers that fell silent.
    pub(super) fn retain(&self) -> Result<(), LogError> {
        let now_ms = self.options.clock.now_ms();
        let mut raise = Vec::new();
        for store in self.stores() {
            let config = store.topic.config();
            let high_watermark = store.high_watermark();
            let chain = store.chain();
            let start = retained_from(&chain, &config, high_watermark, now_ms);
            drop(chain);
            if start > store.log_start() {
                raise.push((store.clone(), start));
            }
            store.admission().producers.expire(now_ms);
        }
        self.raise_log_starts(&raise)
    }

    /// Makes room within the disk budget for so many bytes more.
    pub(super) fn make_room(&self, bytes: u64) -> Result<(), LogError> {
        let Some(budget) = self.options.disk_budget_bytes else { return Ok(()) };
        let used = || self.total_bytes.load(Ordering::Relaxed);
        if used() + bytes <= budget {
            return Ok(());
        }
        // A sixteenth more than needed, so that not every append has to ask.
        self.reclaim((used() + bytes).saturating_sub(budget - budget / 16))?;
        if used() + bytes > budget && !self.committer().doomed.is_empty() {
            self.checkpoint(false)?;
        }
        if used() + bytes <= budget {
            return Ok(());
        }
        let used = used();
        Err(LogError::NoSpace(format!("{used} of {budget} bytes of the disk budget are used")))
    }

    /// Gives up the oldest segments over all topics until so many bytes are free. Internal topics keep theirs: committed
    /// offsets are no old messages, and whoever writes them bounds them.
    fn reclaim(&self, mut bytes: u64) -> Result<(), LogError> {
        let mut stores = self.stores();
        stores.retain(|store| !store.topic.is_internal());
        let mut starts: Vec<i64> = stores.iter().map(|store| store.log_start()).collect();
        let mut oldest = BinaryHeap::new();
        let next = |at: usize, store: &Store, after: i64| {
            let (chain, high_watermark) = (store.chain(), store.high_watermark());
            let mut segments = chain.segments.iter().skip_while(|segment| segment.base < after);
            let segment = segments.next()?;
            let end = segments.next().map_or(chain.end, |following| following.base);
            let visible = segment.bytes > 0 && end <= high_watermark;
            visible.then_some(Reverse((segment.modified_ms, at, end, segment.bytes)))
        };
        for (at, store) in stores.iter().enumerate() {
            oldest.extend(next(at, store, i64::MIN));
        }
        while bytes > 0
            && let Some(Reverse((_, at, end, freed))) = oldest.pop()
        {
            starts[at] = end;
            bytes = bytes.saturating_sub(freed);
            oldest.extend(next(at, &stores[at], end));
        }
        let raise: Vec<_> = stores.into_iter().zip(starts).collect();
        self.raise_log_starts(&raise)
    }

    /// Gives up all records of a partition before an offset, -1 for all that readers see. Returns the first kept.
    pub(super) fn delete_records(&self, store: &Arc<Store>, before: i64) -> Result<i64, LogError> {
        self.accepting()?;
        store.topic.alive()?;
        let end = store.high_watermark();
        let offset = if before == -1 { end } else { before };
        if !(0..=end).contains(&offset) {
            let start = store.log_start();
            return Err(LogError::OffsetOutOfRange { offset, start, end });
        }
        self.raise_log_starts(&[(store.clone(), offset)])?;
        Ok(store.log_start())
    }

    /// Durably raises the first offsets that partitions keep, then removes what lies before.
    fn raise_log_starts(&self, raise: &[(Arc<Store>, i64)]) -> Result<(), LogError> {
        let mut dropped = Vec::new();
        let mut written = Ok(());
        let mut committer = self.committer();
        self.alive()?;
        for (store, offset) in raise {
            let mut chain = store.chain();
            if chain.deleted || *offset <= chain.log_start {
                continue;
            }
            let event = Event::LogStart { partition: store.number, offset: *offset };
            written = committer.write_event(self, &event);
            if written.is_err() {
                break;
            }
            let gone = chain.raise_log_start(*offset);
            store.set_log_start(*offset);
            let gone = gone.into_iter().map(|segment| (store.clone(), segment.base, segment.bytes));
            if chain.marked == committer.checkpoint {
                // A recovery reads through these on its way to what comes after them.
                let lsn = committer.wal.next_lsn();
                committer.doomed.extend(gone.map(|(store, base, bytes)| (lsn, store, base, bytes)));
            } else {
                dropped.extend(gone);
            }
        }
        let doomed = !committer.doomed.is_empty();
        drop(committer);
        if doomed {
            self.want_maintenance();
        }
        // Files go only when a recovery would not look for them.
        self.sync_written()?;
        for (store, base, bytes) in dropped {
            self.remove_segment(&store, base, bytes);
        }
        written
    }

    /// Removes the files of a segment that is in no chain any more.
    pub(super) fn remove_segment(&self, store: &Store, base: i64, bytes: u64) {
        self.total_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if store.topic.is_deleted() {
            // Its directory goes as a whole, and its name may be another's by now.
            return;
        }
        let which = store.which(base);
        self.files.forget(store.number, base);
        for kind in ["log", "index", "timeindex"] {
            match self.disk.remove_file(&which.path(kind)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // It goes when the partition is first written to after the next start.
                    tracing::warn!(%error, file = which.path(kind), "an old segment's file stays");
                }
                _ => {}
            }
        }
    }
}

/// First offset that a topic's configuration lets a partition keep.
fn retained_from(chain: &Chain, config: &TopicConfig, high_watermark: i64, now_ms: i64) -> i64 {
    let mut start = chain.log_start;
    let mut total = chain.size_bytes();
    for (at, segment) in chain.segments.iter().enumerate() {
        let following = chain.segments.get(at + 1);
        let end = following.map_or(chain.end, |following| following.base);
        // A record without a timestamp is as old as its segment.
        let newest_ms =
            if segment.largest.0 >= 0 { segment.largest.0 } else { segment.modified_ms };
        let too_old = config.retention_ms.is_some_and(|ms| now_ms.saturating_sub(newest_ms) > ms);
        // The last segment is a quarter of the limit at most, so there is no need to take that.
        let too_large =
            following.is_some() && config.retention_bytes.is_some_and(|bytes| total > bytes);
        if segment.bytes == 0 || end > high_watermark || !(too_old || too_large) {
            break;
        }
        start = end;
        total -= segment.bytes;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::chain::Segment;

    fn chain(sizes_and_times: &[(u64, i64)]) -> Chain {
        let mut chain = Chain::default();
        for (at, (bytes, timestamp)) in sizes_and_times.iter().enumerate() {
            let mut segment = Segment::new(at as i64 * 10, 0);
            segment.bytes = *bytes;
            segment.largest = (*timestamp, segment.base);
            chain.segments.push_back(segment);
            chain.end = at as i64 * 10 + 10;
        }
        chain
    }

    fn config(pairs: &[(&str, &str)]) -> TopicConfig {
        let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TopicConfig::parse(given, 1).unwrap()
    }

    #[test]
    fn age_takes_segments_even_the_last_but_nothing_unseen() {
        let chain = chain(&[(5, 100), (5, 200), (5, 300)]);
        let config = config(&[("retention.ms", "50")]);
        assert_eq!(retained_from(&chain, &config, 30, 150), 0);
        assert_eq!(retained_from(&chain, &config, 30, 251), 20);
        assert_eq!(retained_from(&chain, &config, 30, 351), 30);
        assert_eq!(retained_from(&chain, &config, 25, 351), 20, "not yet durable");
    }

    #[test]
    fn size_takes_the_oldest_until_the_limit_holds() {
        let chain = chain(&[(50, 1), (50, 1), (20, 1)]);
        let start = |bytes| {
            let config = config(&[("retention.bytes", bytes), ("retention.ms", "-1")]);
            retained_from(&chain, &config, 30, 0)
        };
        assert_eq!((start("120"), start("119"), start("69"), start("0")), (0, 10, 20, 20));
    }
}
