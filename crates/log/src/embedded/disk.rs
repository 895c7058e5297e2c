//! All input and output of the embedded log, so that tests can put a disk under it that forgets.
//!
//! Paths are relative to the data directory, with `/` between; the empty one is the directory itself.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::LogError;

mod memory;
mod real;

pub use memory::{Fault, MemoryDisk};
pub use real::RealDisk;

/// How a file is opened. All are open for reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It is there.
    Existing,
    /// Made if it is not there.
    Create,
    /// Made if it is not there, emptied if it is.
    Truncate,
}

/// A directory's entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the directory's.
    pub name: String,
    /// It is a directory.
    pub is_directory: bool,
}

/// A place for files. Errors are the system's, with its kinds: `StorageFull` when there is no room.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Where it is in the file system, if it is there.
    fn directory(&self) -> Option<&Path>;

    /// Takes the directory for this process until [`Disk::unlock`].
    ///
    /// # Errors
    /// [`LogError::Storage`], naming the directory and the process that holds it, if known.
    fn lock(&self) -> Result<(), LogError>;

    /// Gives the directory back.
    fn unlock(&self);

    /// Opens a file.
    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a directory unless it is there.
    fn create_directory(&self, path: &str) -> io::Result<()>;

    /// A directory's entries in no order.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>>;

    /// Renames a file, over another if need be, or a directory.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, path: &str) -> io::Result<()>;

    /// Removes a directory and the files in it.
    fn remove_directory(&self, path: &str) -> io::Result<()>;

    /// Makes a directory's entries durable.
    fn sync_directory(&self, path: &str) -> io::Result<()>;

    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug + 'static {
    /// Fills `into` from the file's bytes at `at`; how many were read falls short only at the file's end.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// The same if it can be done without waiting for the device; `None` if not.
    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>>;

    /// Writes all pieces one after the other from `at` on.
    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()>;

    /// Makes sure that writing the first `bytes` finds room. The file gets at least as long.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Cuts or extends the file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Length in bytes.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Makes what was written durable (fdatasync).
    fn sync(&self) -> io::Result<()>;
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error of the disk as the log tells it.
pub(super) fn failed(context: impl Into<Arc<str>>) -> impl FnOnce(io::Error) -> LogError {
    move |error| {
        let context = context.into();
        if is_full(&error) {
            LogError::NoSpace(format!("{context}: {error}"))
        } else {
            LogError::Storage { context, error: Arc::new(error) }
        }
    }
}
