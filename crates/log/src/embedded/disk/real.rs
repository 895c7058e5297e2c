//! The file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, ReadWriteFlags};

use super::{Disk, DiskFile, Entry, Open, failed};
use crate::LogError;

/// Pieces the system takes in one call.
const PIECES_MAX: usize = 1024; // IOV_MAX of Linux

/// A directory of the file system.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
    lock: Mutex<Option<File>>,
}

#[derive(Debug)]
struct RealFile(File);

impl RealDisk {
    /// In `directory`, which is made if need be.
    ///
    /// # Errors
    /// [`LogError::Storage`] when it cannot be made.
    pub fn new(directory: &Path) -> Result<Self, LogError> {
        let context = format!("making the data directory {}", directory.display());
        fs::create_dir_all(directory).map_err(failed(context))?;
        Ok(Self { directory: directory.to_owned(), lock: Mutex::default() })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }
}

impl Disk for RealDisk {
    fn directory(&self) -> Option<&Path> {
        Some(&self.directory)
    }

    fn lock(&self) -> Result<(), LogError> {
        let directory = self.directory.display();
        let context = format!("locking the data directory {directory}");
        let how = OpenOptions::new().create(true).truncate(false).read(true).write(true).to_owned();
        let mut file = how.open(self.at("lock")).map_err(failed(context.clone()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(context)(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = (&mut file).take(20).read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                let error = io::Error::new(io::ErrorKind::ResourceBusy, "one process at a time");
                let context = format!("the data directory {directory} is in use by {holder}");
                return Err(failed(context)(error));
            }
        }
        let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        write.map_err(failed(context))?;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn unlock(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn open(&self, path: &str, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(how != Open::Existing);
        let file = options.truncate(how == Open::Truncate).open(self.at(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_directory(&self, path: &str) -> io::Result<()> {
        match fs::create_dir(self.at(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.at(path))? {
            let entry = entry?;
            // The log's own names are all ASCII.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry { name, is_directory: entry.file_type()?.is_dir() });
            }
        }
        Ok(entries)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        fs::remove_dir_all(self.at(path))
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        File::open(self.at(path))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.0.read_at(&mut into[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        let mut filled = 0;
        while filled < into.len() {
            let mut rest = [IoSliceMut::new(&mut into[filled..])];
            let offset = at + filled as u64;
            match rustix::io::preadv2(&self.0, &mut rest, offset, ReadWriteFlags::NOWAIT) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                // A file system that cannot tell is asked the other way.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(filled))
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], mut at: u64) -> io::Result<()> {
        for chunk in pieces.chunks(PIECES_MAX) {
            let mut chunk = chunk.to_vec();
            let mut left = &mut chunk[..];
            while !left.is_empty() {
                match rustix::io::pwritev(&self.0, left, at) {
                    Ok(0) if left.iter().all(|piece| piece.is_empty()) => break,
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        at += count as u64;
                        IoSlice::advance_slices(&mut left, count);
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let zeros = [0; 64 << 10];
        let mut at = self.len_bytes()?;
        while at < bytes {
            let count = zeros.len().min((bytes - at) as usize);
            self.write_at(&[IoSlice::new(&zeros[..count])], at)?;
            at += count as u64;
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_process_is_told_directory_and_holder() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) =
            (RealDisk::new(folder.path()).unwrap(), RealDisk::new(folder.path()).unwrap());
        first.lock().unwrap();
        let text = second.lock().unwrap_err().to_string();
        assert!(text.contains(&folder.path().display().to_string()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        first.unlock();
        second.lock().unwrap();
    }

    #[test]
    fn many_pieces_are_written_in_order_and_read_from_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path()).unwrap();
        let file = disk.open("f", Open::Create).unwrap();
        let bytes: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
        let pieces: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
        file.write_at(&pieces, 5).unwrap();
        let mut read = vec![0; 4000];
        assert_eq!(file.read_at(&mut read, 5).unwrap(), 3000);
        assert_eq!(&read[..3000], bytes);
        if let Some(count) = file.read_cached_at(&mut read, 2005).unwrap() {
            assert_eq!((count, &read[..1000]), (1000, &bytes[2000..]));
        }
    }
}
