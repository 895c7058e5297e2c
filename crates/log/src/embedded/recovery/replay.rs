//! The write-ahead log's records, applied to what the manifest says.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use klamm_kafka_proto::records::BatchHeader;

use super::{build, walk};
use crate::embedded::chain::{Chain, Segment};
use crate::embedded::config::{TopicConfig, TopicDurability};
use crate::embedded::core::FIRST_CHECKPOINT;
use crate::embedded::disk::{Disk, Open, failed};
use crate::embedded::files::{Files, directory};
use crate::embedded::manifest::{Manifest, TopicImage};
use crate::embedded::options::Options;
use crate::embedded::store::{OpenTopic, Registry, Store, TopicShared};
use crate::embedded::topics::{grave, stores};
use crate::embedded::wal::record::{Event, Place, Record};
use crate::{LogError, TopicId};

/// Batches held in memory before they are written to their segments, those of one partition together.
const WINDOW_BYTES: usize = 16 << 20;

/// State while the write-ahead log is read.
pub(super) struct Replay<'a> {
    disk: Arc<dyn Disk>,
    options: &'a Options,
    files: Files,
    registry: Registry,
    by_number: HashMap<u64, Arc<Store>>,
    next_partition: u64,
    producer_ids: i64,
    epoch: i32,
    now_ms: i64,
    /// Partitions that were written without the write-ahead log.
    marked: BTreeSet<u64>,
    window: Vec<u8>,
    writes: Vec<Write>,
    dropped: Vec<(Arc<Store>, i64, u64)>,
    dirty: Vec<(Arc<Store>, i64)>,
    graves: Vec<(u64, String, String)>,
}

/// Bytes of the window that belong into a segment.
struct Write {
    store: Arc<Store>,
    base: i64,
    position: u64,
    bytes: Range<usize>,
}

/// What a replay leaves.
pub(super) struct Replayed {
    pub(super) registry: Registry,
    pub(super) next_partition: u64,
    pub(super) producer_ids: i64,
    /// The last one there was.
    pub(super) epoch: i32,
    pub(super) dirty: Vec<(Arc<Store>, i64)>,
    pub(super) graves: Vec<(u64, String, String)>,
    /// Segments given up since the manifest.
    pub(super) dropped: Vec<(Arc<Store>, i64, u64)>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        options: &'a Options,
        manifest: Manifest,
    ) -> Result<Self, LogError> {
        let (next_partition, producer_ids) = (manifest.next_partition, manifest.producer_ids);
        let epoch = manifest.epoch;
        let (registry, all) = build(manifest, options)?;
        Ok(Self {
            files: Files::new(disk.clone(), options.open_files),
            disk,
            options,
            registry,
            by_number: all.into_iter().map(|store| (store.number, store)).collect(),
            next_partition,
            producer_ids,
            epoch,
            now_ms: options.clock.now_ms(),
            marked: BTreeSet::new(),
            window: Vec::new(),
            writes: Vec::new(),
            dropped: Vec::new(),
            dirty: Vec::new(),
            graves: Vec::new(),
        })
    }

    pub(super) fn apply(&mut self, lsn: u64, record: Record<'_>) -> Result<(), LogError> {
        match record {
            Record::Batch(place, header, batch) => self.batch(place, &header, batch),
            Record::Event(Event::Dirty { partition }) => {
                self.marked.insert(partition);
                Ok(())
            }
            Record::Event(Event::LogStart { partition, offset }) => {
                self.log_start(partition, offset)
            }
            Record::Event(Event::Topic(image)) => self.topic(image),
            Record::Event(Event::TopicDeleted(id)) => self.delete(lsn, TopicId(id)),
            Record::Event(Event::ProducerIds { end }) => {
                self.producer_ids = self.producer_ids.max(end);
                Ok(())
            }
            Record::Event(Event::Start { epoch }) => {
                self.epoch = self.epoch.max(epoch);
                Ok(())
            }
        }
    }

    fn batch(&mut self, place: Place, header: &BatchHeader, batch: &[u8]) -> Result<(), LogError> {
        let Some(store) = self.by_number.get(&place.partition).cloned() else { return Ok(()) };
        if header.base_offset > store.chain().end && self.marked.contains(&store.number) {
            self.walk(&store, Some(header.base_offset))?;
        }
        let mut chain = store.chain();
        if header.base_offset < chain.end {
            return Ok(());
        }
        if header.base_offset > chain.end {
            // What came before it was not durable, so nobody was told that this one is.
            tracing::debug!(topic = %store.topic.name, partition = store.index,
                offset = header.base_offset, end = chain.end, "an unacknowledged batch is left out");
            return Ok(());
        }
        if chain.segments.back().is_none_or(|last| last.base != place.segment_base) {
            chain.segments.push_back(Segment::new(place.segment_base, self.now_ms));
        }
        self.touch(&store, &mut chain);
        let position = chain.segments.back().map_or(0, |segment| segment.bytes);
        if position != place.position {
            return Err(LogError::Corrupt(format!(
                "batch {} of {}-{} belongs at byte {} of a segment that has {position}",
                header.base_offset, store.topic.name, store.index, place.position
            )));
        }
        let from = self.window.len();
        self.window.extend_from_slice(batch);
        let bytes = from..self.window.len();
        let base = place.segment_base;
        self.writes.push(Write { store: store.clone(), base, position, bytes });
        self.note(&store, &mut chain, header);
        drop(chain);
        store.admission().producers.record(header, header.base_offset, self.now_ms);
        if self.window.len() >= WINDOW_BYTES { self.flush() } else { Ok(()) }
    }

    /// Takes note of a batch in memory.
    fn note(&self, store: &Store, chain: &mut Chain, header: &BatchHeader) {
        let interval = store.topic.config().index_interval_bytes;
        let modified_ms = header.max_timestamp.clamp(0, self.now_ms);
        chain.note(header, interval, modified_ms);
    }

    /// The chain's last segment changes.
    fn touch(&mut self, store: &Arc<Store>, chain: &mut Chain) {
        if let Some(last) = chain.segments.back_mut()
            && !std::mem::replace(&mut last.dirty, true)
        {
            self.dirty.push((store.clone(), last.base));
        }
    }

    /// Writes the window's batches to their segments.
    fn flush(&mut self) -> Result<(), LogError> {
        let mut writes = std::mem::take(&mut self.writes);
        writes.sort_by_key(|write| (write.store.number, write.base, write.position));
        let mut rest = &writes[..];
        while let Some(first) = rest.first() {
            let same = |w: &&Write| w.store.number == first.store.number && w.base == first.base;
            let count = rest.iter().take_while(same).count();
            let (run, others) = rest.split_at(count);
            rest = others;
            self.write(run).map_err(failed("writing a segment again"))?;
        }
        self.window.clear();
        Ok(())
    }

    /// Writes batches that follow one another in one segment.
    fn write(&self, run: &[Write]) -> io::Result<()> {
        let (store, base) = (&run[0].store, run[0].base);
        let open = || self.files.open(store.which(base), Open::Create);
        let open = match open() {
            // The power took the directory; or it was not made yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_directory(&directory(&store.topic.name, store.index))?;
                open()?
            }
            opened => opened?,
        };
        let slice = |write: &Write| IoSlice::new(&self.window[write.bytes.clone()]);
        let slices: Vec<_> = run.iter().map(slice).collect();
        open.file.write_at(&slices, run[0].position)
    }

    fn log_start(&mut self, partition: u64, offset: i64) -> Result<(), LogError> {
        let Some(store) = self.by_number.get(&partition).cloned() else { return Ok(()) };
        if offset >= store.chain().end && self.marked.contains(&partition) {
            // To the very end, so that a segment that goes on beyond the offset is not taken for one before it.
            self.walk(&store, None)?;
        }
        let mut chain = store.chain();
        // The power took records that were given up anyway: their offsets must not come again.
        let lost = offset > chain.end;
        chain.end = chain.end.max(offset);
        let mut dropped = chain.raise_log_start(offset);
        if lost {
            dropped.extend(chain.segments.drain(..));
        }
        drop(chain);
        store.set_log_start(offset);
        let dropped = dropped.into_iter();
        self.dropped.extend(dropped.map(|gone| (store.clone(), gone.base, gone.bytes)));
        Ok(())
    }

    fn topic(&mut self, image: TopicImage) -> Result<(), LogError> {
        let config = TopicConfig::parse(image.given, self.options.segment_bytes_min)?;
        let known = self.registry.by_id.get(&TopicId(image.id)).cloned();
        let mut topic = match known.and_then(|name| self.registry.by_name.get(&name).cloned()) {
            Some(topic) => {
                topic.shared.set_config(config);
                topic
            }
            None => {
                let name: Arc<str> = image.name.into();
                let shared = Arc::new(TopicShared::new(name, TopicId(image.id), config));
                OpenTopic { shared, partitions: Vec::new() }
            }
        };
        let more = stores(&topic.shared, &image.partitions, topic.partitions.len());
        for store in &more {
            self.by_number.insert(store.number, store.clone());
            self.next_partition = self.next_partition.max(store.number + 1);
        }
        topic.partitions.extend(more);
        self.registry.insert(topic);
        Ok(())
    }

    fn delete(&mut self, lsn: u64, id: TopicId) -> Result<(), LogError> {
        let Some(name) = self.registry.by_id.get(&id).cloned() else { return Ok(()) };
        let Some(topic) = self.registry.remove(&name) else { return Ok(()) };
        // Before the name can stand for another topic's directory.
        self.flush()?;
        for store in topic.partitions {
            self.by_number.remove(&store.number);
            store.chain().segments.clear();
            let grave = grave(id, store.index);
            match self.disk.rename(&directory(&name, store.index), &grave) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // An earlier recovery may have left one half removed.
                Err(_) => {
                    let remove = self.disk.remove_directory(&directory(&name, store.index));
                    remove.map_err(failed("removing a deleted partition"))?;
                }
            }
            self.graves.push((lsn + 1, name.to_string(), grave));
        }
        Ok(())
    }

    /// Reads on in segments that were written without the write-ahead log, up to an offset or the end.
    fn walk(&mut self, store: &Arc<Store>, until: Option<i64>) -> Result<(), LogError> {
        self.flush()?;
        let mut chain = store.chain();
        let segments = chain.segments.len();
        let (disk, epoch) = (self.disk.clone(), self.epoch);
        let mut found = Vec::new();
        walk::walk(&*disk, store, &mut chain, until, epoch, self.now_ms, |chain, header| {
            self.note(store, chain, header);
            found.push(*header);
        })?;
        let mut admission_notes = found;
        for at in segments.saturating_sub(1)..chain.segments.len() {
            let segment = &mut chain.segments[at];
            if !std::mem::replace(&mut segment.dirty, true) {
                self.dirty.push((store.clone(), segment.base));
            }
        }
        drop(chain);
        let mut admission = store.admission();
        for header in admission_notes.drain(..) {
            admission.producers.record(&header, header.base_offset, self.now_ms);
        }
        Ok(())
    }

    /// The end of the write-ahead log.
    pub(super) fn finish(mut self) -> Result<Replayed, LogError> {
        self.flush()?;
        for number in self.marked.clone() {
            let Some(store) = self.by_number.get(&number).cloned() else { continue };
            self.walk(&store, None)?;
            // The mark is good until the next checkpoint.
            store.chain().marked = FIRST_CHECKPOINT;
        }
        for (store, base) in std::mem::take(&mut self.dirty) {
            self.settle(store, base)?;
        }
        for store in self.by_number.values() {
            let end = store.chain().end;
            store.admission().next_offset = end;
            store.publish(end);
        }
        Ok(Replayed {
            registry: self.registry,
            next_partition: self.next_partition,
            producer_ids: self.producer_ids,
            epoch: self.epoch,
            dirty: self.dirty,
            graves: self.graves,
            dropped: self.dropped,
        })
    }

    /// A segment that changed: what it holds beyond its end is cut off where no write will do it, and it is synced
    /// where the topic promises more than the page cache that it was found in.
    fn settle(&mut self, store: Arc<Store>, base: i64) -> Result<(), LogError> {
        let (bytes, last) = {
            let mut chain = store.chain();
            let last = chain.segments.back().is_some_and(|last| last.base == base);
            let Some(segment) = chain.segment_mut(base) else { return Ok(()) };
            (segment.bytes, last)
        };
        let fsync = store.topic.config().durability == TopicDurability::Fsync;
        let walked = fsync && self.marked.contains(&store.number);
        let settle = || {
            if last && !walked {
                return Ok(());
            }
            let open = self.files.open(store.which(base), Open::Create)?;
            if !last && open.file.len_bytes()? > bytes {
                open.file.set_len(bytes)?;
            }
            if walked { open.file.sync() } else { Ok(()) }
        };
        settle().map_err(failed("settling a segment"))?;
        self.dirty.push((store, base));
        Ok(())
    }
}
