//! The marker: this disk was started on with the operator's permit.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use klamm_agent::protocol::Formatted;
use serde::{Deserialize, Serialize};

use super::scan::file;

/// `.klamm`, beside the metadata log directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id` of the metadata log directory.
    pub directory_id: String,
    /// `broker.rack` of that start.
    pub rack: Option<String>,
}

impl Marker {
    /// Of a disk.
    pub fn of(disk: &Formatted, rack: Option<String>) -> Self {
        Self {
            cluster_id: disk.cluster_id.clone(),
            node_id: disk.node_id,
            directory_id: disk.directory_id.clone(),
            rack,
        }
    }

    /// Whether it was made for this disk.
    pub fn is_of(&self, disk: &Formatted) -> bool {
        *self == Self::of(disk, self.rack.clone())
    }

    /// What stands beside a log directory. One that cannot be read allows nothing, as none.
    pub fn read(log_dir: &Path) -> Option<Self> {
        let text = file(&path(log_dir)).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Writes it so that after a power cut there is the one before or this one.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, log_dir: &Path) -> io::Result<()> {
        let path = path(log_dir);
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(path.parent().unwrap_or(&path))?.sync_all()
    }
}

fn path(log_dir: &Path) -> PathBuf {
    log_dir.with_file_name(".klamm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_stands_beside_the_log_directory_and_is_read_again() {
        let volume = tempfile::tempdir().unwrap();
        let log = volume.path().join("log");
        assert_eq!(Marker::read(&log), None);
        let disk = Formatted {
            cluster_id: "q1Sh-9_ISia_zwGINzRvyQ".into(),
            node_id: 3,
            directory_id: "JEXY6aqzQY-32P5TStzaFg".into(),
        };
        let marker = Marker::of(&disk, Some("zone-a".into()));
        marker.write(&log).unwrap();
        assert_eq!(Marker::read(&log), Some(marker.clone()));
        assert_eq!(
            fs::read_to_string(volume.path().join(".klamm")).unwrap(),
            r#"{"cluster_id":"q1Sh-9_ISia_zwGINzRvyQ","node_id":3,"directory_id":"JEXY6aqzQY-32P5TStzaFg","rack":"zone-a"}"#
        );
        assert!(marker.is_of(&disk));
        assert!(!marker.is_of(&Formatted { node_id: 4, ..disk }));
    }

    #[test]
    fn broken_marker_is_none() {
        let volume = tempfile::tempdir().unwrap();
        fs::write(volume.path().join(".klamm"), "{").unwrap();
        assert_eq!(Marker::read(&volume.path().join("log")), None);
    }
}
