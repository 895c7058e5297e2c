//! The lock of a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Beside Kafka's own `.lock`, which it takes later and only for itself.
pub const LOCK_FILE: &str = ".klamm.lock";

/// A broker id and its directory, owned for as long as this lives, and by the program that this process becomes.
#[derive(Debug)]
pub struct Held {
    /// The broker id.
    pub id: u32,
    /// Its directory.
    pub dir: PathBuf,
    file: File,
}

impl Held {
    /// Takes the directory's lock; `None` if somebody else has it.
    ///
    /// # Errors
    /// The lock file cannot be opened, or the file system has no locks.
    pub(super) fn take(id: u32, dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(LOCK_FILE);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between opening and locking somebody may have put another file in its place: then the lock is worth nothing.
        if !is_at(&file, &path)? {
            return Ok(None);
        }
        let mut held = Self { id, dir: dir.to_owned(), file };
        held.sign()?;
        Ok(Some(held))
    }

    /// For people, and for the messages of those who find it taken.
    fn sign(&mut self) -> io::Result<()> {
        let name = rustix::system::uname();
        let host = name.nodename().to_string_lossy();
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "process {} on {host}", std::process::id())
    }

    /// Lets the program that this process becomes inherit the lock.
    ///
    /// # Errors
    /// The system refuses.
    pub fn keep_across_exec(&self) -> io::Result<()> {
        Ok(rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty())?)
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who signed a directory's lock file last.
pub(super) fn signature(dir: &Path) -> Option<String> {
    /// A process id and a host name of at most 253 characters.
    const SIGNATURE_BYTES_MAX: u64 = 300;
    let file = File::open(dir.join(LOCK_FILE)).ok()?;
    let mut text = String::new();
    file.take(SIGNATURE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let line = text.lines().next()?.trim();
    let printable = !line.is_empty() && line.chars().all(|c| !c.is_control());
    printable.then(|| line.to_owned())
}
