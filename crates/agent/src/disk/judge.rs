//! What may be done with the disks of a node, whoever asks.

use klamm_agent::protocol::{Config, Formatted};

use super::{Content, Disks, LogDir};

/// What the disks allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Not ours or not usable: nothing, and why.
    Unusable(String),
    /// The metadata log directory is empty: format.
    Empty {
        /// What the node's other directories, or the marker, say it belongs to.
        cluster_id: Option<&'a str>,
        /// Others are formatted.
        others: bool,
    },
    /// The metadata log directory is formatted: start.
    Formatted {
        /// By this.
        disk: &'a Formatted,
        /// A directory that has to be formatted before.
        empty: Option<&'a LogDir>,
        /// The marker is of this disk.
        marked: bool,
    },
}

/// Judges.
pub fn judge<'a>(config: &Config, disks: &'a Disks) -> Verdict<'a> {
    let Some(metadata) = disks.dirs.first() else {
        return Verdict::Unusable("the disks have not been read".into());
    };
    if let Some(why) = unusable(config, disks) {
        return Verdict::Unusable(why);
    }
    let other = disks.dirs.iter().find_map(|dir| formatted(dir));
    if let Content::Formatted(disk) = &metadata.content {
        let empty = disks.dirs.iter().find(|dir| dir.content == Content::Empty);
        let marked = disks.marker.as_ref().is_some_and(|marker| marker.is_of(disk));
        return Verdict::Formatted { disk, empty, marked };
    }
    let marker = disks.marker.as_ref();
    if let Some(marker) = marker.filter(|marker| marker.node_id != config.node_id) {
        let path = metadata.path.display();
        return Verdict::Unusable(format!(
            "{path} is in the volume of node {}, as the file .klamm beside it says, and this is node {}",
            marker.node_id, config.node_id
        ));
    }
    let cluster_id = other.map(|other| &other.cluster_id);
    let cluster_id = cluster_id.or(marker.map(|marker| &marker.cluster_id));
    Verdict::Empty { cluster_id: cluster_id.map(String::as_str), others: other.is_some() }
}

fn formatted(dir: &LogDir) -> Option<&Formatted> {
    match &dir.content {
        Content::Formatted(formatted) => Some(formatted),
        _ => None,
    }
}

/// The first thing that is wrong. Data directories that the system refuses to read are Kafka's to judge: it goes on with the others.
fn unusable(config: &Config, disks: &Disks) -> Option<String> {
    let mut seen: Vec<(&LogDir, &Formatted)> = Vec::new();
    for (index, dir) in disks.dirs.iter().enumerate() {
        let path = dir.path.display();
        match &dir.content {
            Content::Unreadable(why) if index == 0 => return Some(format!("{path}: {why}")),
            Content::Foreign(why) => {
                return Some(format!("{path} is not a log directory of Kafka: {why}"));
            }
            Content::Unreadable(_) | Content::Empty => {}
            Content::Formatted(disk) if disk.node_id != config.node_id => {
                return Some(format!(
                    "{path} is formatted for node {}, and this is node {}",
                    disk.node_id, config.node_id
                ));
            }
            Content::Formatted(disk) => {
                if let Some(why) = contradiction(&seen, dir, disk) {
                    return Some(why);
                }
                seen.push((dir, disk));
            }
        }
    }
    None
}

fn contradiction(seen: &[(&LogDir, &Formatted)], dir: &LogDir, disk: &Formatted) -> Option<String> {
    let (first, of_first) = seen.first()?;
    let (path, of) = (dir.path.display(), &disk.cluster_id);
    if of_first.cluster_id != *of {
        let (other, of_other) = (first.path.display(), &of_first.cluster_id);
        return Some(format!("{path} is of cluster {of}, and {other} of cluster {of_other}"));
    }
    let copy = seen.iter().find(|(_, other)| other.directory_id == disk.directory_id)?;
    let (other, id) = (copy.0.path.display(), &disk.directory_id);
    Some(format!("{path} has the directory id {id} of {other}: one is a copy of the other"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Marker;
    use crate::testing::{CLUSTER, OTHER_CLUSTER, config, dirs, disk};

    #[track_caller]
    fn unusable(disks: &Disks) -> String {
        match judge(&config(), disks) {
            Verdict::Unusable(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn disks_that_were_not_read_allow_nothing() {
        unusable(&Disks::default());
    }

    #[test]
    fn directory_of_another_node_is_refused_also_when_it_is_a_second_one() {
        let other = disk(4, CLUSTER, 1);
        let why = unusable(&dirs(&[Content::Formatted(other.clone())]));
        assert_eq!(why, "/d0/log is formatted for node 4, and this is node 3");
        let why =
            unusable(&dirs(&[Content::Formatted(disk(3, CLUSTER, 0)), Content::Formatted(other)]));
        assert_eq!(why, "/d1/log is formatted for node 4, and this is node 3");
    }

    #[test]
    fn directories_of_two_clusters_are_refused() {
        let two = [disk(3, CLUSTER, 0), disk(3, OTHER_CLUSTER, 1)].map(Content::Formatted);
        let why = unusable(&dirs(&two));
        assert_eq!(
            why,
            format!("/d1/log is of cluster {OTHER_CLUSTER}, and /d0/log of cluster {CLUSTER}")
        );
    }

    #[test]
    fn copy_of_a_directory_is_refused() {
        let two = [disk(3, CLUSTER, 0), disk(3, CLUSTER, 0)].map(Content::Formatted);
        assert!(unusable(&dirs(&two)).contains("one is a copy of the other"));
    }

    #[test]
    fn files_of_somebody_else_are_refused() {
        let why = unusable(&dirs(&[Content::Empty, Content::Foreign("it has x".into())]));
        assert_eq!(why, "/d1/log is not a log directory of Kafka: it has x");
    }

    #[test]
    fn data_directory_that_cannot_be_read_is_kafkas_to_judge_and_the_metadata_one_is_not() {
        let broken = Content::Unreadable("I/O error".into());
        let disks = dirs(&[Content::Formatted(disk(3, CLUSTER, 0)), broken.clone()]);
        assert!(matches!(judge(&config(), &disks), Verdict::Formatted { empty: None, .. }));
        assert_eq!(unusable(&dirs(&[broken])), "/d0/log: I/O error");
    }

    #[test]
    fn empty_volume_of_another_node_is_known_by_its_marker() {
        let mut disks = dirs(&[Content::Empty]);
        disks.marker = Some(Marker::of(&disk(4, CLUSTER, 0), None));
        assert!(unusable(&disks).contains("is in the volume of node 4"));
    }

    #[test]
    fn empty_disk_belongs_to_the_cluster_of_the_others_or_of_the_marker() {
        let other = Content::Formatted(disk(3, CLUSTER, 1));
        let mut disks = dirs(&[Content::Empty, other]);
        let empty = Verdict::Empty { cluster_id: Some(CLUSTER), others: true };
        assert_eq!(judge(&config(), &disks), empty);
        disks.dirs.pop();
        assert_eq!(judge(&config(), &disks), Verdict::Empty { cluster_id: None, others: false });
        disks.marker = Some(Marker::of(&disk(3, CLUSTER, 0), None));
        let empty = Verdict::Empty { cluster_id: Some(CLUSTER), others: false };
        assert_eq!(judge(&config(), &disks), empty);
    }

    #[test]
    fn copied_marker_marks_nothing() {
        let ours = disk(3, CLUSTER, 0);
        let mut disks = dirs(&[Content::Formatted(ours.clone())]);
        let marked = |disks: &Disks| match judge(&config(), disks) {
            Verdict::Formatted { marked, .. } => marked,
            other => panic!("{other:?}"),
        };
        assert!(!marked(&disks));
        for copied in [disk(4, CLUSTER, 0), disk(3, OTHER_CLUSTER, 0), disk(3, CLUSTER, 1)] {
            disks.marker = Some(Marker::of(&copied, None));
            assert!(!marked(&disks));
        }
        disks.marker = Some(Marker::of(&ours, Some("zone-a".into())));
        assert!(marked(&disks));
    }
}
