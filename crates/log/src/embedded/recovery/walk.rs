//! Segments whose end nobody wrote down: read batch by batch up to the first that is not whole.

use std::io;
use std::sync::Arc;

use klamm_kafka_proto::records::{BatchHeader, HEADER_BYTES};

use crate::LogError;
use crate::embedded::chain::{Chain, Segment};
use crate::embedded::disk::{Disk, DiskFile, Open, failed};
use crate::embedded::store::Store;

/// Read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// Goes on from the chain's end, showing `see` each batch that belongs there, through further segments that begin
/// where one ends.
pub(super) fn walk(
    disk: &dyn Disk,
    store: &Store,
    chain: &mut Chain,
    until: Option<i64>,
    epoch: i32,
    now_ms: i64,
    mut see: impl FnMut(&mut Chain, &BatchHeader),
) -> Result<(), LogError> {
    loop {
        if let Some(last) = chain.segments.back() {
            let (base, position) = (last.base, last.bytes);
            if let Some(file) = open(disk, store, base)? {
                let read = walk_file(&*file, position, chain, until, epoch, &mut see);
                read.map_err(failed("reading a segment's end"))?;
            }
        }
        if until.is_some_and(|until| chain.end >= until) {
            return Ok(());
        }
        if chain.segments.back().is_some_and(|last| last.bytes == 0) {
            chain.segments.pop_back();
            return Ok(());
        }
        if open(disk, store, chain.end)?.is_none() {
            return Ok(());
        }
        chain.segments.push_back(Segment::new(chain.end, now_ms));
    }
}

fn open(disk: &dyn Disk, store: &Store, base: i64) -> Result<Option<Arc<dyn DiskFile>>, LogError> {
    match disk.open(&store.which(base).path("log"), Open::Existing) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("opening a segment")(error)),
    }
}

fn walk_file(
    file: &dyn DiskFile,
    mut position: u64,
    chain: &mut Chain,
    until: Option<i64>,
    epoch: i32,
    see: &mut impl FnMut(&mut Chain, &BatchHeader),
) -> io::Result<()> {
    let length = file.len_bytes()?;
    let mut window = Vec::new();
    let mut need = WINDOW_BYTES;
    loop {
        window.resize(need.min(length.saturating_sub(position) as usize), 0);
        let count = file.read_at(&mut window, position)?;
        let bytes = &window[..count];
        let mut at = 0;
        need = loop {
            if until.is_some_and(|until| chain.end >= until) {
                return Ok(());
            }
            let rest = &bytes[at..];
            if rest.len() < HEADER_BYTES {
                break WINDOW_BYTES;
            }
            let Ok(header) = BatchHeader::parse(rest) else { return Ok(()) };
            // Bytes of an earlier life may lie beyond the end; their epoch is older than what they follow.
            let epochs = chain.epochs.last().max(0)..=epoch;
            let follows =
                header.base_offset == chain.end && epochs.contains(&header.partition_leader_epoch);
            if !follows {
                return Ok(());
            }
            if rest.len() < header.total_bytes() {
                break header.total_bytes().max(WINDOW_BYTES);
            }
            if header.verify(rest).is_err() {
                return Ok(());
            }
            see(chain, &header);
            at += header.total_bytes();
        };
        position += at as u64;
        let left = length.saturating_sub(position);
        if left < HEADER_BYTES as u64 || (at == 0 && need as u64 > left) {
            return Ok(());
        }
    }
}
