//! What is in a log directory.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use klamm_agent::protocol::{Disk, Formatted};

use super::meta;

/// What is in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The system refuses.
    Unreadable(String),
    /// Something that nobody formatted as a log directory, or not as one that can be used.
    Foreign(String),
    /// Nothing, or what a formatting that was interrupted left.
    Empty,
    /// `meta.properties` of Kafka.
    Formatted(Formatted),
}

impl Content {
    /// In the protocol's words.
    pub fn disk(&self) -> Disk {
        match self {
            Self::Unreadable(_) | Self::Foreign(_) => Disk::Unknown,
            Self::Empty => Disk::Empty,
            Self::Formatted(formatted) => Disk::Formatted(formatted.clone()),
        }
    }
}

/// Written last by Kafka when it formats, so where this is, formatting was done.
const META: &str = "meta.properties";
/// Written before by Kafka when it formats.
const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// The directory of the metadata log.
const METADATA_LOG: &str = "__cluster_metadata-0";
/// In it, with the first voters: of offset 0 and epoch 0, and therefore older than any vote. It ends in `.checkpoint`, or in
/// `.checkpoint.part` while it is written.
const FIRST_SNAPSHOT: &str = "00000000000000000000-0000000000";

/// Looks into a log directory.
pub fn read(path: &Path) -> Content {
    match file(&path.join(META)) {
        Ok(Some(text)) => {
            let wrong = |why| Content::Foreign(format!("{META} is not usable: {why}"));
            meta::parse(&text).map_or_else(wrong, Content::Formatted)
        }
        Ok(None) => {
            unformatted(path).unwrap_or_else(|error| Content::Unreadable(error.to_string()))
        }
        Err(error) => Content::Unreadable(error.to_string()),
    }
}

fn unformatted(path: &Path) -> io::Result<Content> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // The directory is Kafka's to make, in a volume that is there.
            return match path.parent().map(fs::metadata) {
                Some(Ok(volume)) if volume.is_dir() => Ok(Content::Empty),
                _ => Ok(Content::Unreadable("its volume is not mounted".into())),
            };
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        if !is_remnant(path, &name.to_string_lossy())? {
            let why = format!("it has {} and no {META}", name.display());
            return Ok(Content::Foreign(why));
        }
    }
    Ok(Content::Empty)
}

/// Whether formatting makes it.
fn is_remnant(path: &Path, name: &str) -> io::Result<bool> {
    if name != METADATA_LOG {
        let unfinished = |file| name.strip_suffix(".tmp") == Some(file);
        return Ok(name == BOOTSTRAP || unfinished(BOOTSTRAP) || unfinished(META));
    }
    for entry in fs::read_dir(path.join(name))? {
        let name = entry?.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(FIRST_SNAPSHOT));
        if !matches!(rest, Some(".checkpoint" | ".checkpoint.part")) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what a formatting that was interrupted left. Without this, Kafka's tool would keep its voters and draw another
/// directory id than theirs. Only in a directory whose content is [`Content::Empty`].
///
/// # Errors
/// The system refuses, or something else is there by now.
pub fn remove_remnants(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if !is_remnant(path, &entry.file_name().to_string_lossy())? {
            return Err(io::Error::other(format!(
                "{} was not there before",
                entry.path().display()
            )));
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The text of a small file; `None` when it is not there.
pub(super) fn file(path: &Path) -> io::Result<Option<String>> {
    /// The files read here have five lines.
    const FILE_BYTES_MAX: u64 = 16 << 10;
    match fs::File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(files: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let volume = tempfile::tempdir().unwrap();
        for file in files {
            let path = volume.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let log = volume.path().join("log");
        (volume, log)
    }

    #[test]
    fn log_directory_that_is_not_there_yet_is_empty_and_lost_and_found_beside_it_does_not_matter() {
        let (_volume, log) = volume(&["lost+found/x"]);
        assert_eq!(read(&log), Content::Empty);
    }

    #[test]
    fn volume_that_is_not_mounted_is_no_empty_disk() {
        let (_volume, log) = volume(&[]);
        assert_eq!(read(&log.join("log")), Content::Unreadable("its volume is not mounted".into()));
    }

    #[test]
    fn files_without_meta_properties_are_somebody_elses() {
        let (_volume, log) = volume(&["log/a-0/00000000000000000000.log"]);
        assert_eq!(read(&log), Content::Foreign("it has a-0 and no meta.properties".into()));
        assert!(remove_remnants(&log).is_err());
        assert!(log.join("a-0/00000000000000000000.log").is_file());
    }

    #[test]
    fn metadata_log_that_was_used_is_not_taken_for_a_remnant() {
        let (_volume, log) = volume(&["log/__cluster_metadata-0/quorum-state"]);
        assert!(matches!(read(&log), Content::Foreign(_)));
        assert!(remove_remnants(&log).is_err());
        assert!(log.join("__cluster_metadata-0/quorum-state").is_file());
    }

    #[test]
    fn interrupted_formatting_leaves_an_empty_disk_and_can_be_removed() {
        let (_volume, log) = volume(&[
            "log/bootstrap.checkpoint",
            "log/meta.properties.tmp",
            "log/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
        ]);
        assert_eq!(read(&log), Content::Empty);
        remove_remnants(&log).unwrap();
        assert_eq!(fs::read_dir(&log).unwrap().count(), 0);
        remove_remnants(&log.join("none")).unwrap();
    }

    #[test]
    fn directory_that_was_formatted_meanwhile_keeps_its_meta_properties() {
        let (_volume, log) = volume(&["log/meta.properties"]);
        assert!(remove_remnants(&log).is_err());
        assert!(log.join("meta.properties").is_file());
    }

    #[test]
    fn broken_meta_properties_are_foreign() {
        let (_volume, log) = volume(&["log/meta.properties"]);
        let Content::Foreign(why) = read(&log) else { panic!("usable") };
        assert_eq!(why, "meta.properties is not usable: it has no version");
    }
}
