//! Finding and reading the write-ahead log when the log is opened.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::record::{self, PREFIX_BYTES, Record};
use super::{DIRECTORY, FileHeader, Full, HEADER_BYTES, Slot, Wal, Written, open_slot};
use crate::LogError;
use crate::embedded::disk::{Disk, DiskFile, Open, failed};

/// Read at a time; a record that is longer is read alone.
const WINDOW_BYTES: usize = 4 << 20;

/// All files of the write-ahead log.
#[derive(Debug)]
pub(in crate::embedded) struct Found {
    /// Files with a header, by its sequence number.
    used: Vec<(FileHeader, Slot)>,
    free: Vec<Slot>,
}

/// What was read.
#[derive(Debug)]
pub(in crate::embedded) struct Chain {
    full: VecDeque<Full>,
    free: Vec<Slot>,
    end_lsn: u64,
    sequence: u64,
    slots: u32,
    bytes: u64,
}

impl Found {
    /// Looks for files; the directory is made if need be.
    pub(in crate::embedded) fn look(disk: &dyn Disk) -> Result<Self, LogError> {
        let mut found = Self { used: Vec::new(), free: Vec::new() };
        let mut look = || -> io::Result<()> {
            disk.create_directory(DIRECTORY)?;
            // An earlier start may have made it, or files in it, and not come as far as this.
            disk.sync_directory(DIRECTORY)?;
            disk.sync_directory("")?;
            for entry in disk.list(DIRECTORY)? {
                let Ok(number) = entry.name.parse() else { continue };
                let path = format!("{DIRECTORY}/{}", entry.name);
                let file = disk.open(&path, Open::Existing)?;
                let mut bytes = [0; HEADER_BYTES as usize];
                file.read_at(&mut bytes, 0)?;
                let slot = Slot { number, capacity: file.len_bytes()?, file };
                match FileHeader::decode(&bytes) {
                    Some(header) => found.used.push((header, slot)),
                    None => found.free.push(slot),
                }
            }
            Ok(())
        };
        look().map_err(failed("looking for the write-ahead log"))?;
        found.used.sort_by_key(|(header, _)| header.sequence);
        Ok(found)
    }

    /// No file was ever written to.
    pub(in crate::embedded) fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Reads all records from number `lsn` on, in order.
    ///
    /// # Errors
    /// Those of `apply`, and [`LogError::Corrupt`] when the file that begins with `lsn` is missing.
    pub(in crate::embedded) fn read(
        self,
        lsn: u64,
        mut apply: impl FnMut(u64, Record<'_>) -> Result<(), LogError>,
    ) -> Result<Chain, LogError> {
        let slots =
            self.used.iter().map(|(_, slot)| slot.number).chain(self.free.iter().map(|s| s.number));
        let mut chain = Chain {
            full: VecDeque::new(),
            slots: slots.max().map_or(0, |number| number + 1),
            free: self.free,
            end_lsn: lsn,
            sequence: self.used.last().map_or(0, |(header, _)| header.sequence),
            bytes: 0,
        };
        if !self.used.iter().any(|(header, _)| header.start_lsn == lsn) {
            let text = format!("no file of the write-ahead log begins with record {lsn}");
            return Err(LogError::Corrupt(text));
        }
        for (header, slot) in self.used {
            if header.start_lsn != chain.end_lsn {
                chain.free.push(slot);
                continue;
            }
            let (end_lsn, end) = read_file(&*slot.file, header, &mut apply)?;
            // After a crash of the process alone the records may be in nothing but the page cache, and what is
            // written next must never be durable without them.
            slot.file.sync().map_err(failed("syncing the write-ahead log"))?;
            chain.bytes += end - HEADER_BYTES;
            chain.end_lsn = end_lsn;
            chain.full.push_back(Full { slot, end_lsn });
        }
        Ok(chain)
    }

    /// The first use of a new directory.
    pub(in crate::embedded) fn begin(self) -> Chain {
        let slots = self.free.iter().map(|slot| slot.number + 1).max().unwrap_or(0);
        let free = self.free;
        Chain { full: VecDeque::new(), free, end_lsn: 1, sequence: 0, slots, bytes: 0 }
    }
}

/// Reads a file's records; returns the number after the last good one's, and where that ends.
fn read_file(
    file: &dyn DiskFile,
    header: FileHeader,
    apply: &mut impl FnMut(u64, Record<'_>) -> Result<(), LogError>,
) -> Result<(u64, u64), LogError> {
    let length = file.len_bytes().map_err(failed("reading the write-ahead log"))?;
    let (mut lsn, mut at) = (header.start_lsn, HEADER_BYTES);
    let mut window = Vec::new();
    let mut need = WINDOW_BYTES;
    loop {
        window.resize(need.min(length.saturating_sub(at) as usize), 0);
        let read = file.read_at(&mut window, at).map_err(failed("reading the write-ahead log"))?;
        let bytes = &window[..read];
        let mut from = 0;
        need = loop {
            let rest = &bytes[from..];
            if rest.len() < PREFIX_BYTES {
                break WINDOW_BYTES;
            }
            let Some(length) = record::length(rest, lsn) else {
                return Ok((lsn, at + from as u64));
            };
            let Some(record) = rest.get(..length) else { break length.max(WINDOW_BYTES) };
            let Some(record) = record::parse(record, header.salt)? else {
                return Ok((lsn, at + from as u64));
            };
            apply(lsn, record)?;
            lsn += 1;
            from += length;
        };
        at += from as u64;
        // Nothing more in the file, or a length that leads beyond its end.
        let left = length.saturating_sub(at);
        if left < PREFIX_BYTES as u64 || (from == 0 && need as u64 > left) {
            return Ok((lsn, at));
        }
    }
}

impl Chain {
    /// Number after the last record's.
    pub(in crate::embedded) fn end_lsn(&self) -> u64 {
        self.end_lsn
    }

    /// Goes on after what was read, in a file of its own.
    pub(in crate::embedded) fn open(
        self,
        disk: Arc<dyn Disk>,
        file_bytes: u64,
        written: Arc<Written>,
    ) -> Result<Wal, LogError> {
        let mut free = self.free;
        free.sort_by_key(|slot| std::cmp::Reverse(slot.number));
        let current = match free.pop() {
            Some(slot) => slot,
            None => open_slot(&*disk, self.slots, file_bytes)?,
        };
        let slots = self.slots.max(current.number + 1);
        let header = FileHeader {
            sequence: self.sequence + 1,
            start_lsn: self.end_lsn,
            salt: uuid::Uuid::new_v4().as_u64_pair().0,
        };
        let write = current.file.write_at(&[io::IoSlice::new(&header.encode())], 0);
        write.map_err(failed("writing the write-ahead log"))?;
        written.note(self.end_lsn, &current.file);
        Ok(Wal {
            disk,
            written,
            file_bytes,
            current,
            header,
            position: HEADER_BYTES,
            next_lsn: self.end_lsn,
            full: self.full,
            free,
            slots,
            since_checkpoint_bytes: self.bytes,
        })
    }
}
