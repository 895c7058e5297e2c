//! Log directories as they are on disk. Reads; the one thing written here is the marker.

mod judge;
mod marker;
mod meta;
mod scan;

pub use judge::{Verdict, judge};
pub use marker::Marker;
pub use meta::is_id;
pub use scan::{Content, read, remove_remnants};

use std::path::{Path, PathBuf};

use klamm_agent::protocol::{Config, Disk};

/// All that is known of a node's disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disks {
    /// One for each log directory, that of the metadata log first.
    pub dirs: Vec<LogDir>,
    /// What stands beside the metadata log directory.
    pub marker: Option<Marker>,
}

/// A log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
}

impl Disks {
    /// Reads them.
    pub fn read(config: &Config) -> Self {
        let dirs = paths(config);
        let read = |path: &Path| LogDir { path: path.to_owned(), content: read(path) };
        Self { dirs: dirs.map(read).collect(), marker: Marker::read(&config.metadata_dir) }
    }

    /// The metadata log directory.
    pub fn metadata(&self) -> Disk {
        self.dirs.first().map(|dir| dir.content.disk()).unwrap_or_default()
    }
}

/// The log directories, that of the metadata log first.
pub fn paths(config: &Config) -> impl Iterator<Item = &Path> {
    let metadata = config.metadata_dir.as_path();
    let others = config.log_dirs.iter().map(PathBuf::as_path).filter(move |dir| *dir != metadata);
    std::iter::once(metadata).chain(others)
}
