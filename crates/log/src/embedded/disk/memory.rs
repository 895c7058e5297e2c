//! A disk in memory that forgets at a power cut what was not synced.
//!
//! The model is that of ALICE (Pillai et al., OSDI 2014): between two syncs each 512-byte sector of a file
//! reaches the disk, or not, on its own, in any of the states it had; a file's new length, or a directory's new
//! entry, likewise. A sync of a file says nothing of the directory's entry that names it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Entry, Open};
use crate::LogError;

const SECTOR_BYTES: usize = 512;
/// States of an unsynced sector that are remembered; when there are more, one in the middle is forgotten.
const VERSIONS_MAX: usize = 4; // enough for old, new and what lay between

/// What a disk does wrong.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    /// After so many more operations that write or sync, nothing works: the power is gone.
    pub operations_left: Option<u64>,
    /// The next sync of a file fails with EIO.
    pub fail_sync: bool,
    /// The next write to a file fails with EIO.
    pub fail_write: bool,
    /// Bytes that all files together may have; beyond them writes fail with ENOSPC.
    pub capacity_bytes: Option<u64>,
    /// Syncs of files are answered and not done.
    pub drop_syncs: bool,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    root: Directory,
    fault: Fault,
    dead: bool,
    locked: bool,
}

type FileRef = Arc<Mutex<Content>>;

#[derive(Debug, Clone)]
enum Node {
    File(FileRef),
    Directory(Arc<Mutex<Directory>>),
}

#[derive(Debug, Clone)]
enum Change {
    Put(String, Node),
    Remove(String),
}

#[derive(Debug, Default)]
struct Directory {
    now: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// What leads from `durable` to `now`; one step may be several changes (a rename).
    unsynced: Vec<Vec<Change>>,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Sector number to the states it has had since the last sync.
    unsynced: BTreeMap<usize, Vec<[u8; SECTOR_BYTES]>>,
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound.max(1) as u64) as usize
    }
}

/// How much of what was not synced a power cut leaves.
#[derive(Debug, Clone, Copy)]
enum Left {
    Nothing,
    Everything,
    Some,
}

impl Left {
    fn any(numbers: &mut Numbers) -> Self {
        [Self::Nothing, Self::Everything, Self::Some, Self::Some][numbers.below(4)]
    }

    fn keeps(self, numbers: &mut Numbers) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some => numbers.below(2) == 0,
        }
    }
}

impl MemoryDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes what the disk does wrong.
    pub fn set_fault(&self, change: impl FnOnce(&mut Fault)) {
        change(&mut self.state().fault);
    }

    /// The power is gone: every operation fails from now on.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The disk as it may be found after a power cut now; the seed says which of those possible. This one stays as it is.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let state = self.state();
        let root = survive(&state.root, &mut Numbers(seed));
        let fault = Fault { operations_left: None, ..state.fault.clone() };
        let survived = State { root, fault, ..State::default() };
        Self(Arc::new(Shared { state: Mutex::new(survived) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `act` on the directory that holds `path`, with the path's last part.
    fn within<T>(
        &self,
        path: &str,
        writes: bool,
        act: impl FnOnce(&mut Directory, &str) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        state.step(writes)?;
        match path.split_once('/') {
            None => act(&mut state.root, path),
            Some((first, rest)) => match state.root.now.get(first) {
                Some(Node::Directory(directory)) => act(&mut locked(directory), rest),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    /// Runs `act` on the directory at `path` itself.
    fn inside<T>(
        &self,
        path: &str,
        writes: bool,
        act: impl FnOnce(&mut Directory) -> T,
    ) -> io::Result<T> {
        let mut state = self.state();
        state.step(writes)?;
        match state.root.now.get(path) {
            _ if path.is_empty() => Ok(act(&mut state.root)),
            Some(Node::Directory(directory)) => Ok(act(&mut locked(directory))),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn survive(directory: &Directory, numbers: &mut Numbers) -> Directory {
    let mut names = directory.durable.clone();
    let left = Left::any(numbers);
    for step in &directory.unsynced {
        if !left.keeps(numbers) {
            continue;
        }
        for change in step {
            match change {
                Change::Put(name, node) => names.insert(name.clone(), node.clone()),
                Change::Remove(name) => names.remove(name),
            };
        }
    }
    let survived = |node: Node| match node {
        Node::File(file) => {
            let durable = locked(&file).survive(numbers);
            let content = Content { now: durable.clone(), durable, ..Content::default() };
            Node::File(Arc::new(Mutex::new(content)))
        }
        Node::Directory(inner) => {
            Node::Directory(Arc::new(Mutex::new(survive(&locked(&inner), numbers))))
        }
    };
    let now: BTreeMap<String, Node> = names
        .into_iter()
        .map({
            let mut survived = survived;
            move |(name, node)| (name, survived(node))
        })
        .collect();
    Directory { durable: now.clone(), now, unsynced: Vec::new() }
}

impl State {
    fn step(&mut self, writes: bool) -> io::Result<()> {
        if writes && let Some(left) = &mut self.fault.operations_left {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => self.dead = true,
            }
        }
        if self.dead { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn used_bytes(&self) -> u64 {
        self.root.bytes()
    }
}

impl Directory {
    fn apply(&mut self, step: Vec<Change>) {
        for change in &step {
            match change {
                Change::Put(name, node) => self.now.insert(name.clone(), node.clone()),
                Change::Remove(name) => self.now.remove(name),
            };
        }
        self.unsynced.push(step);
    }

    fn bytes(&self) -> u64 {
        let of = |node: &Node| match node {
            Node::File(file) => locked(file).now.len() as u64,
            Node::Directory(inner) => locked(inner).bytes(),
        };
        self.now.values().map(of).sum()
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], at: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[at..end].copy_from_slice(bytes);
        self.note(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn note(&mut self, sectors: std::ops::Range<usize>) {
        for sector in sectors {
            let mut state = [0; SECTOR_BYTES];
            let from = (sector * SECTOR_BYTES).min(self.now.len());
            let until = (from + SECTOR_BYTES).min(self.now.len());
            state[..until - from].copy_from_slice(&self.now[from..until]);
            let versions = self.unsynced.entry(sector).or_default();
            if versions.len() == VERSIONS_MAX {
                versions.remove(VERSIONS_MAX / 2);
            }
            versions.push(state);
        }
    }

    fn set_len(&mut self, length: usize) {
        let sectors = self.now.len().min(length) / SECTOR_BYTES
            ..self.now.len().max(length).div_ceil(SECTOR_BYTES);
        self.now.resize(length, 0);
        self.note(sectors);
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.unsynced.clear();
    }

    fn survive(&self, numbers: &mut Numbers) -> Vec<u8> {
        let (left, mut found) = (Left::any(numbers), self.durable.clone());
        let length = if left.keeps(numbers) { self.now.len() } else { self.durable.len() };
        found.resize(length, 0);
        for (sector, versions) in &self.unsynced {
            if !left.keeps(numbers) {
                continue;
            }
            let version = match left {
                Left::Some => &versions[numbers.below(versions.len())],
                _ => &versions[versions.len() - 1],
            };
            let from = sector * SECTOR_BYTES;
            let until = (from + SECTOR_BYTES).min(length);
            if from < until {
                found[from..until].copy_from_slice(&version[..until - from]);
            }
        }
        found
    }
}

impl Disk for MemoryDisk {
    fn directory(&self) -> Option<&Path> {
        None
    }

    fn lock(&self) -> Result<(), LogError> {
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            let error = io::Error::from(io::ErrorKind::ResourceBusy);
            return Err(super::failed("the disk in memory is in use")(error));
        }
        Ok(())
    }

    fn unlock(&self) {
        self.state().locked = false;
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let content =
            self.within(path, how != Open::Existing, |directory, name| {
                match directory.now.get(name) {
                    Some(Node::File(content)) => {
                        if how == Open::Truncate {
                            locked(content).set_len(0);
                        }
                        Ok(content.clone())
                    }
                    Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
                    None if how == Open::Existing => Err(io::ErrorKind::NotFound.into()),
                    None => {
                        let content = FileRef::default();
                        let node = Node::File(content.clone());
                        directory.apply(vec![Change::Put(name.to_owned(), node)]);
                        Ok(content)
                    }
                }
            })?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), content }))
    }

    fn create_directory(&self, path: &str) -> io::Result<()> {
        self.within(path, true, |directory, name| {
            if !directory.now.contains_key(name) {
                let node = Node::Directory(Arc::default());
                directory.apply(vec![Change::Put(name.to_owned(), node)]);
            }
            Ok(())
        })
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.inside(path, false, |directory| {
            let entry = |(name, node): (&String, &Node)| Entry {
                name: name.clone(),
                is_directory: matches!(node, Node::Directory(_)),
            };
            directory.now.iter().map(entry).collect()
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = to.rsplit('/').next().unwrap_or(to).to_owned();
        self.within(from, true, |directory, name| {
            let node = directory.now.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
            directory.apply(vec![Change::Remove(name.to_owned()), Change::Put(to, node)]);
            Ok(())
        })
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        self.within(path, true, |directory, name| {
            if !directory.now.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            directory.apply(vec![Change::Remove(name.to_owned())]);
            Ok(())
        })
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        self.remove_file(path)
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        self.inside(path, true, |directory| {
            directory.durable = directory.now.clone();
            directory.unsynced.clear();
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        let capacity = state.fault.capacity_bytes.unwrap_or(u64::MAX);
        Ok(capacity.saturating_sub(state.used_bytes()))
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    content: FileRef,
}

impl MemoryFile {
    /// Checks what may go wrong before the file grows to `length`.
    fn step(&self, length: Option<u64>) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(true)?;
        let Some(length) = length else { return Ok(()) };
        if std::mem::take(&mut state.fault.fail_write) {
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        let grows = length.saturating_sub(locked(&self.content).now.len() as u64);
        if let Some(capacity) = state.fault.capacity_bytes
            && grows > 0
            && state.used_bytes() + grows > capacity
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.disk.state().step(false)?;
        let content = locked(&self.content);
        let from = (at as usize).min(content.now.len());
        let count = into.len().min(content.now.len() - from);
        into[..count].copy_from_slice(&content.now[from..from + count]);
        Ok(count)
    }

    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        self.read_at(into, at).map(Some)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.step(Some(at + bytes.len() as u64))?;
        locked(&self.content).write(&bytes, at as usize);
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.step(Some(bytes))?;
        let mut content = locked(&self.content);
        if content.now.len() < bytes as usize {
            content.set_len(bytes as usize);
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.step(Some(bytes))?;
        locked(&self.content).set_len(bytes as usize);
        Ok(())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.disk.state().step(false)?;
        Ok(locked(&self.content).now.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        self.step(None)?;
        let mut state = self.disk.state();
        if std::mem::take(&mut state.fault.fail_sync) {
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        if !state.fault.drop_syncs {
            locked(&self.content).sync();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(disk: &MemoryDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(path, Open::Existing).ok()?;
        let mut bytes = vec![0; file.len_bytes().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    #[test]
    fn synced_bytes_survive_and_others_may_in_any_mix_of_sectors() {
        let disk = MemoryDisk::new();
        let file = disk.open("f", Open::Create).unwrap();
        disk.sync_directory("").unwrap();
        file.write_at(&[IoSlice::new(&[1; 1024])], 0).unwrap();
        file.sync().unwrap();
        file.write_at(&[IoSlice::new(&[2; 1024])], 512).unwrap();
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let bytes = content(&disk.power_cut(seed), "f").unwrap();
            assert_eq!(bytes[..512], [1; 512]);
            assert!(bytes[512..1024].iter().all(|b| *b == bytes[512]), "sectors are whole");
            kinds.insert((bytes[512], bytes.get(1024).copied()));
        }
        let all = [(1, None), (1, Some(0)), (1, Some(2)), (2, None), (2, Some(0)), (2, Some(2))];
        assert_eq!(kinds, all.into());
    }

    #[test]
    fn name_that_was_not_synced_may_be_gone_whatever_the_file() {
        let disk = MemoryDisk::new();
        disk.open("f", Open::Create).unwrap().sync().unwrap();
        let found = (0..50).filter(|seed| content(&disk.power_cut(*seed), "f").is_some()).count();
        assert!((1..50).contains(&found));
        disk.sync_directory("").unwrap();
        assert!((0..50).all(|seed| content(&disk.power_cut(seed), "f").is_some()));
    }

    #[test]
    fn faults_happen_when_told() {
        let disk = MemoryDisk::new();
        let file = disk.open("f", Open::Create).unwrap();
        disk.set_fault(|fault| fault.capacity_bytes = Some(10));
        let write = |count| file.write_at(&[IoSlice::new(&vec![0; count])], 0);
        assert!(super::super::is_full(&write(11).unwrap_err()));
        write(10).unwrap();
        disk.set_fault(|fault| fault.fail_sync = true);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        disk.set_fault(|fault| fault.operations_left = Some(1));
        write(1).unwrap();
        assert!(write(1).is_err() && disk.is_dead());
        assert!(content(&disk, "f").is_none(), "nothing works without power");
    }
}
