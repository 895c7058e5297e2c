//! The write-ahead log: one sequence of records over a few files that are used in turn.
//!
//! ```text
//! wal/0: header | record 1 | record 2 | ... | stale bytes of an earlier use
//! wal/1: header | record 57 | ...
//! ```
//!
//! A file's header says from which record number (lsn) on it goes. The chain is read in the order of the headers'
//! sequence numbers; each file ends at the first record whose number or checksum is wrong, and the next
//! file that begins with exactly the number then expected continues it. Names and directory entries thus
//! say nothing, and a file is used again by writing another header over the old one.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BufMut;
use klamm_kafka_proto::records::crc32c;

use super::codec::Input;
use super::disk::{Disk, DiskFile, Open, failed};
use crate::LogError;

pub(super) mod record;
pub(super) mod scan;

use record::Event;

const DIRECTORY: &str = "wal";
const MAGIC: u64 = u64::from_be_bytes(*b"klammWL1");
/// A sector: a header is written whole or not at all.
const HEADER_BYTES: u64 = 512;

/// Each start begins a file. One that is started over and over must not fill the disk with them.
const FILES_FROM_STARTS: usize = 2;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileHeader {
    /// Grows with each use of any file.
    sequence: u64,
    start_lsn: u64,
    /// Goes into every checksum in the file, so that records of an earlier use never look right.
    salt: u64,
}

impl FileHeader {
    fn encode(self) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.put_u64(MAGIC);
        out.put_u64(self.sequence);
        out.put_u64(self.start_lsn);
        out.put_u64(self.salt);
        out.resize(HEADER_BYTES as usize, 0);
        let crc = crc32c(&out[4..]);
        out[..4].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// `None` for a file that has no header yet.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input::new(bytes, "a header of the write-ahead log");
        let crc = input.u32().ok()?;
        let good = crc32c(&bytes[4..]) == crc && input.u64().ok()? == MAGIC;
        let (sequence, start_lsn, salt) = (input.u64().ok()?, input.u64().ok()?, input.u64().ok()?);
        good.then_some(Self { sequence, start_lsn, salt })
    }
}

/// A file and how long it may get without asking for room.
#[derive(Debug, Clone)]
struct Slot {
    number: u32,
    file: Arc<dyn DiskFile>,
    capacity: u64,
}

/// A file with records that a recovery would need.
#[derive(Debug)]
struct Full {
    slot: Slot,
    end_lsn: u64,
}

/// What is written and waits for a sync.
#[derive(Debug, Default)]
struct Unsynced {
    lsn: u64,
    files: Vec<Arc<dyn DiskFile>>,
}

/// What the sync needs to know, apart so that syncing keeps nobody from writing.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Unsynced>);

impl Written {
    fn note(&self, lsn: u64, file: &Arc<dyn DiskFile>) {
        let mut unsynced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unsynced.lsn = lsn;
        if !unsynced.files.last().is_some_and(|last| Arc::ptr_eq(last, file)) {
            unsynced.files.push(file.clone());
        }
    }

    /// Number of the record after the last written, and the files to sync for it.
    pub(super) fn take(&self) -> (u64, Vec<Arc<dyn DiskFile>>) {
        let mut unsynced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (unsynced.lsn, std::mem::take(&mut unsynced.files))
    }
}

/// The end of the log that is written to.
#[derive(Debug)]
pub(super) struct Wal {
    disk: Arc<dyn Disk>,
    written: Arc<Written>,
    file_bytes: u64,
    current: Slot,
    header: FileHeader,
    position: u64,
    next_lsn: u64,
    full: VecDeque<Full>,
    free: Vec<Slot>,
    slots: u32,
    since_checkpoint_bytes: u64,
}

fn open_slot(disk: &dyn Disk, number: u32, file_bytes: u64) -> Result<Slot, LogError> {
    let open = || {
        let file = disk.open(&format!("{DIRECTORY}/{number}"), Open::Create)?;
        let capacity = file.len_bytes()?;
        if capacity < file_bytes {
            file.allocate(file_bytes)?;
            // The file's name and length must not be news when the first records in it are synced.
            file.sync()?;
            disk.sync_directory(DIRECTORY)?;
        }
        Ok(Slot { number, file, capacity: capacity.max(file_bytes) })
    };
    open().map_err(failed("making room for the write-ahead log"))
}

impl Wal {
    /// Number of the next record.
    pub(super) fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// Goes into the checksums of what is written next.
    pub(super) fn salt(&self) -> u64 {
        self.header.salt
    }

    /// Bytes written since the last checkpoint began.
    pub(super) fn since_checkpoint_bytes(&self) -> u64 {
        self.since_checkpoint_bytes
    }

    /// Something was written since the last checkpoint began.
    pub(super) fn has_news(&self) -> bool {
        self.since_checkpoint_bytes > 0
    }

    /// Starts that ended soon left so many files that a checkpoint is due for their sake.
    pub(super) fn is_long(&self) -> bool {
        self.full.len() > FILES_FROM_STARTS
    }

    /// Makes room for records of so many bytes, in one file.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] when there is none; nothing has changed then.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), LogError> {
        if self.position + bytes <= self.current.capacity {
            return Ok(());
        }
        if self.position > HEADER_BYTES {
            self.turn()?;
        }
        let need = self.position + bytes;
        if need > self.current.capacity {
            let room = self.current.file.allocate(need);
            room.map_err(failed("making room for the write-ahead log"))?;
            self.current.capacity = need;
        }
        Ok(())
    }

    /// Goes on in another file.
    fn turn(&mut self) -> Result<(), LogError> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => open_slot(&*self.disk, self.slots, self.file_bytes)?,
        };
        self.slots = self.slots.max(slot.number + 1);
        let header = FileHeader {
            sequence: self.header.sequence + 1,
            start_lsn: self.next_lsn,
            salt: uuid::Uuid::new_v4().as_u64_pair().0,
        };
        if let Err(error) = slot.file.write_at(&[IoSlice::new(&header.encode())], 0) {
            self.free.push(slot);
            return Err(failed("writing the write-ahead log")(error));
        }
        self.written.note(self.next_lsn, &slot.file);
        let slot = std::mem::replace(&mut self.current, slot);
        self.full.push_back(Full { slot, end_lsn: self.next_lsn });
        self.header = header;
        self.position = HEADER_BYTES;
        Ok(())
    }

    /// Writes `count` records for which room was made. Not durable yet.
    ///
    /// # Errors
    /// Any error leaves the file in doubt: nothing may be written after it.
    pub(super) fn write(&mut self, pieces: &[IoSlice<'_>], count: u64) -> Result<(), LogError> {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let write = self.current.file.write_at(pieces, self.position);
        write.map_err(failed("writing the write-ahead log"))?;
        self.position += bytes as u64;
        self.since_checkpoint_bytes += bytes as u64;
        self.next_lsn += count;
        self.written.note(self.next_lsn, &self.current.file);
        Ok(())
    }

    /// Writes one event.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] when there is no room, with nothing changed; others as [`Wal::write`].
    pub(super) fn write_event(&mut self, event: &Event) -> Result<(), LogError> {
        let mut bytes = Vec::new();
        event.put(&mut bytes, 0, 0);
        self.reserve(bytes.len() as u64)?;
        bytes.clear();
        event.put(&mut bytes, self.salt(), self.next_lsn);
        self.write(&[IoSlice::new(&bytes)], 1)
    }

    /// Begins a checkpoint: goes on in a file of its own, whose first record's number is returned.
    pub(super) fn begin_checkpoint(&mut self) -> Result<u64, LogError> {
        if self.position > HEADER_BYTES {
            self.turn()?;
        }
        self.since_checkpoint_bytes = 0;
        Ok(self.next_lsn)
    }

    /// A checkpoint that did not come about: what was written before it still counts as news.
    pub(super) fn abort_checkpoint(&mut self) {
        self.since_checkpoint_bytes += 1;
    }

    /// A checkpoint is durable: files with nothing but earlier records are free, and as many kept as the next
    /// checkpoint interval fills.
    pub(super) fn end_checkpoint(&mut self, lsn: u64, keep: usize) {
        while self.full.front().is_some_and(|full| full.end_lsn <= lsn) {
            if let Some(full) = self.full.pop_front() {
                self.free.push(full.slot);
            }
        }
        self.free.sort_by_key(|slot| std::cmp::Reverse(slot.number));
        while self.free.len() > keep {
            let slot = self.free.remove(0);
            if let Err(error) = self.disk.remove_file(&format!("{DIRECTORY}/{}", slot.number)) {
                tracing::warn!(%error, "a spare file of the write-ahead log stays");
            }
        }
    }
}
