//! Checkpoints: segment files are synced, the manifest says so, and the write-ahead log begins anew.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::sync::{Arc, PoisonError};

use super::core::Core;
use super::disk::{Disk, DiskFile, Open, failed};
use super::files::directory;
use super::index::{Index, OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES};
use super::manifest::Manifest;
use super::store::Store;
use crate::LogError;

/// A segment that was written since the checkpoint before.
type Dirty = (Arc<Store>, i64);

impl Core {
    /// Makes everything written so far durable where it belongs. `clean` says that nothing is written after it.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] leaves things as they were; the write-ahead log goes on growing.
    pub(super) fn checkpoint(&self, clean: bool) -> Result<(), LogError> {
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        self.alive()?;
        let lsn = {
            let mut committer = self.committer();
            let begun = committer.wal.begin_checkpoint();
            let lsn = begun.inspect_err(|error| self.stop_unless_full(error))?;
            committer.checkpoint += 1;
            committer.bypassed_bytes = 0;
            lsn
        };
        // With it the header of the file that begins with `lsn`: a recovery insists on that.
        self.sync_written()?;
        let mut dirty = self.take_dirty();
        let made = self.settle(lsn, clean, &mut dirty);
        if let Err(error) = made {
            self.stop_unless_full(&error);
            self.give_back_dirty(dirty);
            return Err(error);
        }
        let keep = (self.options.checkpoint_bytes / self.options.wal_file_bytes.max(1)) as usize;
        let mut committer = self.committer();
        committer.wal.end_checkpoint(lsn, keep + 1);
        let graves: Vec<_> = committer.graves.extract_if(.., |(after, ..)| *after <= lsn).collect();
        let doomed: Vec<_> = committer.doomed.extract_if(.., |(after, ..)| *after <= lsn).collect();
        drop(committer);
        for (_, store, base, bytes) in doomed {
            self.remove_segment(&store, base, bytes);
        }
        for (_, _, grave) in graves {
            match self.disk.remove_directory(&grave) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, grave, "a deleted partition's directory stays");
                }
                _ => {}
            }
        }
        *checkpoints += 1;
        Ok(())
    }

    fn stop_unless_full(&self, error: &LogError) {
        match error {
            LogError::NoSpace(_) => self.set_space(Some(error)),
            _ => self.fail(error),
        }
    }

    /// Syncs segments and writes the manifest.
    fn settle(&self, lsn: u64, clean: bool, dirty: &mut Vec<Dirty>) -> Result<(), LogError> {
        for (store, base) in dirty.iter() {
            self.write_index(store, *base)?;
        }
        let manifest = self.manifest(lsn, clean);
        // What was written while the states were collected may be in them, so it is synced too.
        dirty.extend(self.take_dirty());
        let directories = std::mem::take(&mut self.committer().new_directories);
        let sync = self
            .sync_segments(dirty)
            .and_then(|()| if directories { self.disk.sync_directory("") } else { Ok(()) });
        if let Err(error) = sync {
            // Not `failed`: after a sync even a want of room leaves unknown what is on the disk.
            let context = "syncing segments".into();
            return Err(LogError::Storage { context, error: Arc::new(error) });
        }
        manifest.write(&*self.disk)
    }

    /// The state of everything, not at one moment but at moments after the record before `lsn`: what a record from
    /// there on says may be in it already, and does no harm when it is said again.
    fn manifest(&self, lsn: u64, clean: bool) -> Manifest {
        let producer_ids = self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner).end;
        let topics: Vec<_> = {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            topics.by_name.values().cloned().collect()
        };
        let image = |topic: super::store::OpenTopic| {
            let states = topic.partitions.iter().map(|store| store.image()).collect();
            (topic.image(), states)
        };
        Manifest {
            cluster_id: self.cluster_id.clone(),
            lsn,
            clean,
            epoch: self.epoch,
            next_partition: self.committer().next_partition,
            producer_ids,
            topics: topics.into_iter().map(image).collect(),
        }
    }

    fn take_dirty(&self) -> Vec<Dirty> {
        let mut committer = self.committer();
        let dirty = std::mem::take(&mut committer.dirty);
        for (store, base) in &dirty {
            if let Some(segment) = store.chain().segment_mut(*base) {
                segment.dirty = false;
            }
        }
        dirty
    }

    fn give_back_dirty(&self, dirty: Vec<Dirty>) {
        let mut committer = self.committer();
        committer.wal.abort_checkpoint();
        committer.new_directories = true;
        for (store, base) in dirty {
            let mut chain = store.chain();
            if let Some(segment) = chain.segment_mut(base)
                && !std::mem::replace(&mut segment.dirty, true)
            {
                drop(chain);
                committer.dirty.push((store, base));
            }
        }
    }

    /// Brings the index entries in memory into the index files.
    fn write_index(&self, store: &Store, base: i64) -> Result<(), LogError> {
        let mut chain = store.chain();
        let Some(segment) = chain.segment_mut(base) else { return Ok(()) };
        if segment.pending.is_empty() {
            return Ok(());
        }
        let (offsets, times) = segment.pending.encode();
        let which = store.which(base);
        let write = |kind, bytes: &[u8], entries: u32, entry_bytes: usize| {
            let file = self.disk.open(&which.path(kind), Open::Create)?;
            file.write_at(&[IoSlice::new(bytes)], u64::from(entries) * entry_bytes as u64)
        };
        let written = write("index", &offsets, segment.indexed.0, OFFSET_ENTRY_BYTES)
            .and_then(|()| write("timeindex", &times, segment.indexed.1, TIME_ENTRY_BYTES));
        written.map_err(failed("writing an index"))?;
        // Its first entries made the files, whose names are to be synced.
        segment.fresh |= segment.indexed == (0, 0);
        let (offsets, times) = segment.pending.counts();
        segment.indexed = (segment.indexed.0 + offsets, segment.indexed.1 + times);
        segment.pending = Index::default();
        Ok(())
    }

    /// Syncs segments' files, several at a time: a disk takes them in one go.
    fn sync_segments(&self, dirty: &[Dirty]) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for (store, base) in dirty {
            if let Some(segment) = store.chain().segment_mut(*base)
                && std::mem::take(&mut segment.fresh)
            {
                directories.insert(directory(&store.topic.name, store.index));
            }
        }
        let sync = |(store, base): &Dirty| match self.sync_segment(store, *base) {
            // Retention or a deletion was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let gone = store.chain().segment_mut(*base).is_none();
                if gone { Ok(()) } else { Err(error) }
            }
            other => other,
        };
        let threads = self.options.sync_threads.max(1);
        if threads == 1 || dirty.len() < threads {
            dirty.iter().try_for_each(sync)?;
        } else {
            std::thread::scope(|scope| {
                let share = |part| {
                    scope.spawn(move || -> io::Result<()> {
                        <[Dirty]>::iter(part).try_for_each(sync)
                    })
                };
                let workers: Vec<_> =
                    dirty.chunks(dirty.len().div_ceil(threads)).map(share).collect();
                let end = |worker: std::thread::ScopedJoinHandle<'_, io::Result<()>>| {
                    worker.join().unwrap_or_else(|_| Err(io::Error::other("a sync panicked")))
                };
                workers.into_iter().map(end).collect::<io::Result<Vec<()>>>()
            })?;
        }
        for directory in directories {
            sync_directory(&*self.disk, &directory)?;
        }
        Ok(())
    }

    fn sync_segment(&self, store: &Store, base: i64) -> io::Result<()> {
        let which = store.which(base);
        self.files.open(which, Open::Existing)?.file.sync()?;
        let indexed = store.chain().segment_mut(base).map_or((0, 0), |segment| segment.indexed);
        let sync = |file: Arc<dyn DiskFile>| file.sync();
        if indexed.0 > 0 {
            sync(self.disk.open(&which.path("index"), Open::Existing)?)?;
        }
        if indexed.1 > 0 {
            sync(self.disk.open(&which.path("timeindex"), Open::Existing)?)?;
        }
        Ok(())
    }

    /// Makes all that is in a topic's segments durable at once, whatever the write-ahead log has of it. The caller
    /// holds the committer, so nothing is written meanwhile.
    pub(super) fn sync_topic(&self, stores: &[Arc<Store>]) -> Result<(), LogError> {
        let sync = || {
            for store in stores {
                let bases: Vec<i64> = store.chain().segments.iter().map(|s| s.base).collect();
                for base in &bases {
                    let dirty = store.chain().segment_mut(*base).is_some_and(|s| s.dirty);
                    if dirty {
                        self.sync_segment(store, *base)?;
                    }
                }
                if !bases.is_empty() {
                    sync_directory(&*self.disk, &directory(&store.topic.name, store.index))?;
                }
            }
            self.disk.sync_directory("")
        };
        sync().map_err(|error| {
            let error =
                LogError::Storage { context: "syncing a topic".into(), error: Arc::new(error) };
            self.fail(&error);
            error
        })
    }
}

fn sync_directory(disk: &dyn Disk, path: &str) -> io::Result<()> {
    match disk.sync_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
