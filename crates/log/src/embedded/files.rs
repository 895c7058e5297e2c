//! Names of segment files, and the ones that are open.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, DiskFile, Open};
use super::index::{Index, OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES};

/// Directory of a partition.
pub(super) fn directory(topic: &str, index: u32) -> String {
    format!("{topic}-{index}")
}

/// File of a segment, as Kafka names it.
pub(super) fn segment_file(base: i64, kind: &str) -> String {
    format!("{base:020}.{kind}")
}

/// One segment, open.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) file: Arc<dyn DiskFile>,
    /// What was last read of its index files.
    index: Mutex<Option<Arc<Index>>>,
}

/// Segments that are open, so many at a time; the one longest unused is closed first.
#[derive(Debug)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    max: usize,
    open: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    by_segment: HashMap<(u64, i64), (Arc<OpenSegment>, u64)>,
    uses: u64,
}

/// Which segment of which partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    pub(super) topic: &'a str,
    pub(super) index: u32,
    pub(super) partition: u64,
    pub(super) base: i64,
}

impl Which<'_> {
    pub(super) fn path(&self, kind: &str) -> String {
        format!("{}/{}", directory(self.topic, self.index), segment_file(self.base, kind))
    }
}

impl Files {
    pub(super) fn new(disk: Arc<dyn Disk>, max: usize) -> Self {
        Self { disk, max: max.max(1), open: Mutex::default() }
    }

    /// The open segment, opened now if it is not.
    pub(super) fn open(&self, which: Which<'_>, how: Open) -> io::Result<Arc<OpenSegment>> {
        let key = (which.partition, which.base);
        if how != Open::Truncate
            && let Some(found) = self.cache().find(key)
        {
            return Ok(found);
        }
        let file = self.disk.open(&which.path("log"), how)?;
        let opened = Arc::new(OpenSegment { file, index: Mutex::default() });
        let mut cache = self.cache();
        cache.uses += 1;
        let uses = cache.uses;
        cache.by_segment.insert(key, (opened.clone(), uses));
        if cache.by_segment.len() > self.max {
            cache.close_oldest(self.max / 10 + 1);
        }
        Ok(opened)
    }

    /// Closes a segment for good once nobody reads from it.
    pub(super) fn forget(&self, partition: u64, base: i64) {
        self.cache().by_segment.remove(&(partition, base));
    }

    /// The first `counts` entries of a segment's index files.
    pub(super) fn index(
        &self,
        which: Which<'_>,
        open: &OpenSegment,
        counts: (u32, u32),
    ) -> io::Result<Arc<Index>> {
        let mut known = open.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*known
            && index.counts() == counts
        {
            return Ok(index.clone());
        }
        let read = |kind, bytes: usize| -> io::Result<Vec<u8>> {
            let mut found = vec![0; bytes];
            let count = match self.disk.open(&which.path(kind), Open::Existing) {
                Ok(file) => file.read_at(&mut found, 0)?,
                // Somebody removed it. Without it one only looks longer.
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
            found.truncate(count);
            Ok(found)
        };
        let offsets = read("index", counts.0 as usize * OFFSET_ENTRY_BYTES)?;
        let times = read("timeindex", counts.1 as usize * TIME_ENTRY_BYTES)?;
        let index = Arc::new(Index::decode(&offsets, &times));
        *known = Some(index.clone());
        Ok(index)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn find(&mut self, key: (u64, i64)) -> Option<Arc<OpenSegment>> {
        self.uses += 1;
        let (open, used) = self.by_segment.get_mut(&key)?;
        *used = self.uses;
        Some(open.clone())
    }

    fn close_oldest(&mut self, count: usize) {
        let mut uses: Vec<u64> = self.by_segment.values().map(|(_, used)| *used).collect();
        let (_, last, _) = uses.select_nth_unstable(count.min(self.by_segment.len()) - 1);
        let last = *last;
        self.by_segment.retain(|_, (_, used)| *used > last);
    }
}
