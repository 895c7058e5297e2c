//! Group commit: everything that came in while the group before was written is written together.
//!
//! ```text
//! queue --write--> segment files, write-ahead log --sync--> write-ahead log durable
//!                       |                                        |
//!                       | durability=os: shown, acknowledged     | durability=fsync: shown,
//!                       | acks=1: acknowledged                   | acknowledged
//! ```
//!
//! Segment files are written first: that is where space runs out, and then the write-ahead log does not know of the
//! batch yet. What a segment file holds beyond what the write-ahead log or the manifest say is cut off
//! before the next write to it.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;

use super::chain::{Chain, RollLimits, Segment};
use super::config::{TopicConfig, TopicDurability};
use super::core::{Committer, Core};
use super::disk::{Open, failed};
use super::files::{directory, segment_file};
use super::queue::Entry;
use super::store::Store;
use super::wal::record::{self, BATCH_PREFIX_BYTES, Event, Place};
use crate::{Appended, Completion, Durability, LogError};

/// Bodies up to this size are copied together; larger ones are handed to the system where they are.
const COPY_BYTES: usize = 2048; // copying 2 KiB costs less than one more element of a vectored write
/// What is written without the write-ahead log may be so many times as much between checkpoints: a recovery only sums
/// it up, which goes four times as fast as writing it again.
const BYPASSED_PER_WAL: u64 = 4;
/// More than a record of [`Event::Dirty`] takes.
const DIRTY_BYTES: u64 = 64;
/// A topic's smallest segment where its retention or the disk budget asks for smaller ones than `segment.bytes`.
const SEGMENT_BYTES_FLOOR: u64 = 64 << 10;

/// What becomes true when the write-ahead log is durable up to a record.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) lsn: u64,
    /// Partitions and the offsets up to which readers may then see them.
    shown: Vec<(Arc<Store>, i64)>,
    acknowledged: Vec<(Completion, Appended)>,
    bytes: usize,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.acknowledged.is_empty()
    }

    /// Shows and acknowledges.
    pub(super) fn publish(self, core: &Core) {
        for (store, offset) in self.shown {
            store.publish(offset);
        }
        core.budget.give_back(self.bytes);
        for (completion, appended) in self.acknowledged {
            completion.complete(Ok(appended));
        }
    }

    fn refuse(self, core: &Core, error: &LogError) {
        core.budget.give_back(self.bytes);
        for (completion, _) in self.acknowledged {
            completion.complete(Err(error.clone()));
        }
    }
}

/// A write of many pieces, small ones copied together.
#[derive(Debug, Default)]
struct Gather {
    copied: Vec<u8>,
    pieces: Vec<Piece>,
    count: u64,
}

#[derive(Debug)]
enum Piece {
    Copied(Range<usize>),
    Shared(Bytes),
}

impl Gather {
    /// Adds what `put` appends.
    fn copy(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let from = self.copied.len();
        put(&mut self.copied);
        let until = self.copied.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) if range.end == from => range.end = until,
            _ => self.pieces.push(Piece::Copied(from..until)),
        }
    }

    fn batch(&mut self, entry: &Entry) {
        if entry.body.len() <= COPY_BYTES {
            self.copy(|out| {
                out.extend_from_slice(&entry.head);
                out.extend_from_slice(&entry.body);
            });
        } else {
            self.copy(|out| out.extend_from_slice(&entry.head));
            self.pieces.push(Piece::Shared(entry.body.clone()));
        }
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        let slice = |piece| match piece {
            &Piece::Copied(Range { start, end }) => IoSlice::new(&self.copied[start..end]),
            Piece::Shared(bytes) => IoSlice::new(bytes),
        };
        self.pieces.iter().map(slice).collect()
    }
}

/// What one round of writing leaves to be told.
#[derive(Debug, Default)]
struct Round {
    wal: Gather,
    now: Group,
    synced: Group,
    /// Some found no room.
    refused: bool,
}

impl Core {
    /// Writes what is in the queue, or the first part of it. `false` when there was nothing.
    pub(super) fn write_queued(&self) -> bool {
        let mut entries = self.queue.take();
        if entries.is_empty() {
            return false;
        }
        // A partition's batches next to each other, in the order of admission.
        entries.sort_by_key(|entry| entry.store.number);
        let bytes: usize = entries.iter().map(Entry::len_bytes).sum();
        let room = self.alive().and_then(|()| self.make_room(bytes as u64));
        let mut round = Round::default();
        let mut committer = self.committer();
        let written = self.write_round(&mut committer, room, entries, &mut round);
        drop(committer);
        match written {
            Ok(()) => {
                if !round.refused {
                    self.set_space(None);
                }
                round.now.publish(self);
                if !round.synced.is_empty() {
                    let mut waiting =
                        self.groups.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.push_back(round.synced);
                    self.groups.filled.notify_one();
                }
            }
            Err(error) => {
                round.now.refuse(self, &error);
                round.synced.refuse(self, &error);
            }
        }
        true
    }

    /// Makes the write-ahead log durable as far as it is written, then shows and acknowledges what waited for it.
    ///
    /// # Errors
    /// The failure that stopped the log.
    pub(super) fn sync_written(&self) -> Result<(), LogError> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let (lsn, files) = self.written.take();
        let sync = files.iter().try_for_each(|file| file.sync());
        if let Err(error) = sync.map_err(failed("syncing the write-ahead log")) {
            // Even ENOSPC: after any failed sync nobody knows what is on the disk.
            self.fail(&error);
        }
        if let Err(error) = self.alive() {
            let groups = std::mem::take(&mut *self.waiting());
            groups.into_iter().for_each(|group| group.refuse(self, &error));
            return Err(error);
        }
        *synced = lsn;
        while let Some(group) = self.next_durable(lsn) {
            group.publish(self);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, std::collections::VecDeque<Group>> {
        self.groups.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_durable(&self, lsn: u64) -> Option<Group> {
        self.waiting().pop_front_if(|group| group.lsn <= lsn)
    }

    /// Writes a group. On an error nothing of `round` may be told but the error.
    fn write_round(
        &self,
        committer: &mut Committer,
        room: Result<(), LogError>,
        entries: Vec<Entry>,
        round: &mut Round,
    ) -> Result<(), LogError> {
        let need = |entry: &Entry| (BATCH_PREFIX_BYTES + entry.len_bytes()) as u64 + DIRTY_BYTES;
        let reserved = room.and_then(|()| committer.wal.reserve(entries.iter().map(need).sum()));
        let mut rest = entries.into_iter().peekable();
        while let Some(first) = rest.next() {
            let number = first.store.number;
            let mut run = vec![first];
            while let Some(entry) = rest.next_if(|entry| entry.store.number == number) {
                run.push(entry);
            }
            match &reserved {
                Ok(()) => self.write_run(committer, run, round),
                Err(error) => self.refuse(run, error, round),
            }
        }
        self.alive()?;
        if round.wal.count > 0 {
            let write = committer.wal.write(&round.wal.slices(), round.wal.count);
            write.inspect_err(|error| self.fail(error))?;
        }
        round.synced.lsn = committer.wal.next_lsn();
        let limit_bytes = self.options.checkpoint_bytes;
        if committer.wal.since_checkpoint_bytes() >= limit_bytes
            || committer.bypassed_bytes >= limit_bytes.saturating_mul(BYPASSED_PER_WAL)
        {
            self.want_maintenance();
        }
        Ok(())
    }

    /// Writes the batches of one partition.
    fn write_run(&self, committer: &mut Committer, mut run: Vec<Entry>, round: &mut Round) {
        let store = run[0].store.clone();
        let generation = store.admission().generation;
        let mut chain = store.chain();
        if chain.deleted {
            let error = LogError::UnknownTopic(store.topic.name.clone());
            drop(chain);
            self.refuse(run, &error, round);
            return;
        }
        // Those of an older generation come first.
        let stale = run.iter().position(|entry| entry.generation == generation);
        for entry in run.drain(..stale.unwrap_or(run.len())) {
            round.refused = true;
            let error = LogError::NoSpace("a batch before this one found no room".into());
            self.complete(entry, Err(error), round);
        }
        let config = store.topic.config();
        let mut unwritten = run;
        let mut error = None;
        while unwritten.iter().any(|entry| entry.duplicate.is_none()) {
            match self.write_piece(committer, &store, &mut chain, &config, &unwritten, round) {
                Ok(count) => {
                    for entry in unwritten.drain(..count) {
                        self.acknowledge(entry, &config, round);
                    }
                }
                Err(found) => {
                    error = Some(found);
                    break;
                }
            }
        }
        let group = if config.durability == TopicDurability::Os {
            &mut round.now
        } else {
            &mut round.synced
        };
        group.shown.push((store.clone(), chain.end));
        drop(chain);
        match error {
            Some(error) => self.refuse(unwritten, &error, round),
            None => {
                unwritten.into_iter().for_each(|entry| self.acknowledge(entry, &config, round));
            }
        }
    }

    /// Writes the first few batches, as many as go into one segment; returns how many entries that covers.
    fn write_piece(
        &self,
        committer: &mut Committer,
        store: &Arc<Store>,
        chain: &mut Chain,
        config: &TopicConfig,
        entries: &[Entry],
        round: &mut Round,
    ) -> Result<usize, LogError> {
        let now_ms = self.options.clock.now_ms();
        if !chain.prepared {
            self.prepare(committer, store, chain)?;
        }
        let limits = self.roll_limits(config);
        let batches = || entries.iter().filter(|entry| entry.duplicate.is_none());
        let Some(first) = batches().next() else { return Ok(0) };
        let length = first.len_bytes() as u64;
        let roll =
            |segment: &Segment| segment.is_full(length, first.header.last_offset(), limits, now_ms);
        if chain.segments.back().is_none_or(roll) {
            let base = first.header.base_offset;
            let open = self.files.open(store.which(base), Open::Truncate);
            open.map_err(failed("beginning a segment"))?;
            chain.segments.push_back(Segment::new(base, now_ms));
        }
        let Some(segment) = chain.segments.back_mut() else { return Ok(0) };
        let open = self.files.open(store.which(segment.base), Open::Create);
        let open = open.map_err(failed("opening a segment"))?;
        let (mut gather, mut count, mut bytes) = (Gather::default(), 0, 0);
        for entry in entries {
            if entry.duplicate.is_none() {
                let length = entry.len_bytes() as u64;
                let fits = segment.bytes + bytes + length <= limits.bytes
                    && entry.header.last_offset() - segment.base <= i64::from(i32::MAX);
                if bytes > 0 && !fits {
                    break;
                }
                gather.batch(entry);
                bytes += length;
            }
            count += 1;
        }
        if let Err(error) = open.file.write_at(&gather.slices(), segment.bytes) {
            // Whatever part of it was written is not to be found by anybody.
            let _ = open.file.set_len(segment.bytes);
            return Err(failed("writing a segment")(error));
        }
        if !std::mem::replace(&mut segment.dirty, true) {
            committer.dirty.push((store.clone(), segment.base));
        }
        self.total_bytes.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        if config.durability == TopicDurability::Os {
            committer.bypassed_bytes += bytes;
        }
        let base = segment.base;
        note(committer, store, chain, config, &entries[..count], base, now_ms, round);
        Ok(count)
    }

    /// Tells that an entry's batch is written.
    fn acknowledge(&self, entry: Entry, config: &TopicConfig, round: &mut Round) {
        let base_offset = entry.duplicate.map_or(entry.header.base_offset, |sent| sent.base_offset);
        let appended = Appended {
            base_offset,
            log_append_time: entry.log_append_time,
            log_start_offset: entry.store.log_start(),
        };
        let os = config.durability == TopicDurability::Os;
        let synced = if os { &mut round.now } else { &mut round.synced };
        synced.bytes += entry.len_bytes();
        let group = if entry.durability == Durability::Written { &mut round.now } else { synced };
        group.acknowledged.push((entry.completion, appended));
    }

    /// Refuses the batches of one partition: those admitted after them cannot be written either.
    fn refuse(&self, run: Vec<Entry>, error: &LogError, round: &mut Round) {
        let Some(store) = run.first().map(|entry| entry.store.clone()) else { return };
        if matches!(error, LogError::NoSpace(_)) {
            self.set_space(Some(error));
            round.refused = true;
        } else if matches!(error, LogError::Storage { .. }) {
            self.fail(error);
        }
        let mut admission = store.admission();
        admission.generation += 1;
        admission.next_offset = store.chain().end;
        let next_offset = admission.next_offset;
        admission.producers.truncate(next_offset);
        drop(admission);
        for entry in run {
            self.complete(entry, Err(error.clone()), round);
        }
    }

    fn complete(&self, entry: Entry, result: Result<Appended, LogError>, round: &mut Round) {
        round.now.bytes += entry.len_bytes();
        entry.completion.complete(result);
    }

    /// Gets a partition's directory ready for the first write since the log was opened.
    fn prepare(
        &self,
        committer: &mut Committer,
        store: &Arc<Store>,
        chain: &mut Chain,
    ) -> Result<(), LogError> {
        let directory = directory(&store.topic.name, store.index);
        // What is cut off below must not come back, not even when the next write begins another segment.
        if let Some(last) = chain.segments.back_mut()
            && !std::mem::replace(&mut last.dirty, true)
        {
            committer.dirty.push((store.clone(), last.base));
        }
        let prepare = || -> io::Result<Option<u64>> {
            self.disk.create_directory(&directory)?;
            for entry in self.disk.list(&directory)? {
                let known = |segment: &Segment| {
                    ["log", "index", "timeindex"]
                        .iter()
                        .any(|kind| entry.name == segment_file(segment.base, kind))
                };
                // With a mark a recovery may still need what was given up; that goes with the next checkpoint.
                let stray = chain.marked != committer.checkpoint;
                if stray && !chain.segments.iter().any(known) {
                    self.disk.remove_file(&format!("{directory}/{}", entry.name))?;
                }
            }
            let Some(last) = chain.segments.back() else { return Ok(None) };
            let open = self.files.open(store.which(last.base), Open::Create)?;
            let length = open.file.len_bytes()?;
            if length > last.bytes {
                open.file.set_len(last.bytes)?;
            }
            Ok((length < last.bytes).then_some(length))
        };
        let short = prepare().map_err(failed("preparing a partition's directory"))?;
        if let Some(length) = short {
            let text =
                format!("{directory}: the last segment has {length} bytes and once had more");
            return Err(LogError::Corrupt(text));
        }
        committer.new_directories = true;
        chain.prepared = true;
        Ok(())
    }

    /// When to begin another segment. Retention and the disk budget take whole segments, so these may be no
    /// larger than a quarter, or a sixteenth, of what may stay.
    pub(super) fn roll_limits(&self, config: &TopicConfig) -> RollLimits {
        let retention = config.retention_bytes.map_or(u64::MAX, |bytes| bytes / 4);
        let budget = self.options.disk_budget_bytes.map_or(u64::MAX, |bytes| bytes / 16);
        let floor = SEGMENT_BYTES_FLOOR.min(config.segment_bytes);
        let bytes = config.segment_bytes.min(retention).min(budget).max(floor);
        RollLimits { bytes, age_ms: config.segment_ms }
    }
}

/// Takes note of written batches, in memory and in the write-ahead log's next records.
#[expect(clippy::too_many_arguments, reason = "the hands of one writer")]
fn note(
    committer: &Committer,
    store: &Store,
    chain: &mut Chain,
    config: &TopicConfig,
    entries: &[Entry],
    segment_base: i64,
    now_ms: i64,
    round: &mut Round,
) {
    let fsync = config.durability == TopicDurability::Fsync;
    let (salt, first) = (committer.wal.salt(), committer.wal.next_lsn());
    let wal = &mut round.wal;
    if !fsync && chain.marked != committer.checkpoint {
        let (event, lsn) = (Event::Dirty { partition: store.number }, first + wal.count);
        wal.copy(|out| event.put(out, salt, lsn));
        wal.count += 1;
        chain.marked = committer.checkpoint;
    }
    for entry in entries.iter().filter(|entry| entry.duplicate.is_none()) {
        let position = chain.segments.back().map_or(0, |segment| segment.bytes);
        if fsync {
            let place = Place { partition: store.number, segment_base, position };
            let (length, lsn) = (entry.len_bytes(), first + wal.count);
            wal.copy(|out| record::put_batch_prefix(out, salt, lsn, place, &entry.head, length));
            wal.batch(entry);
            wal.count += 1;
        }
        chain.note(&entry.header, config.index_interval_bytes, now_ms);
    }
}
