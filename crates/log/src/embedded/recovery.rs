//! Opening a log: the manifest, then the write-ahead log over it.
//!
//! Work is in proportion to the write-ahead log, not to the number of partitions: beyond the manifest only
//! partitions that it mentions are touched.
//!
//! - A batch in the write-ahead log is written to its segment again, whether or not it is there.
//! - A partition that was written without the write-ahead log (`durability=os`) has a mark there; its segments are
//!   read from where the manifest says they were durable, batch by batch, up to the first that is not whole.
//! - Unless the log was closed and untouched since, the leader epoch is raised, so that clients look where their logs and
//!   this one part.

use std::sync::Arc;

use super::config::TopicConfig;
use super::core::{Committer, Core, FIRST_CHECKPOINT, Recovered};
use super::disk::{Disk, failed};
use super::manifest::Manifest;
use super::options::Options;
use super::store::{OpenTopic, Registry, Store, TopicShared};
use super::topics::GRAVE_END;
use super::wal::Written;
use super::wal::record::Event;
use super::wal::scan::Found;
use crate::{LogError, TopicId};

mod replay;
mod walk;

use replay::Replay;

/// First producer id given out; smaller ones are easier to tell from ids of tests.
const PRODUCER_ID_FIRST: i64 = 1000;

impl Core {
    /// Opens the log on a disk that is locked for it.
    pub(super) fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Self, LogError> {
        let found = Found::look(&*disk)?;
        let manifest = match Manifest::read(&*disk)? {
            Some(manifest) => manifest,
            None => begin(&*disk, &found)?,
        };
        let (lsn, clean) = (manifest.lsn, manifest.clean);
        let cluster_id = manifest.cluster_id.clone();
        let mut replay = Replay::new(disk.clone(), &options, manifest)?;
        let fresh = lsn == 1 && found.is_empty();
        let chain = if fresh {
            found.begin()
        } else {
            found.read(lsn, |lsn, record| replay.apply(lsn, record))?
        };
        let clean = clean && chain.end_lsn() == lsn;
        let replayed = replay.finish()?;
        let epoch = replayed.epoch + i32::from(!clean);
        let written = Arc::new(Written::default());
        let wal = chain.open(disk.clone(), options.wal_file_bytes, written.clone())?;
        let mut graves = replayed.graves;
        let end = wal.next_lsn();
        let old = disk.list("").map_err(failed("looking for deleted partitions"))?;
        let old = old.into_iter().filter(|entry| entry.name.ends_with(GRAVE_END));
        graves.extend(old.map(|entry| (end, String::new(), entry.name)));
        let committer = Committer {
            wal,
            dirty: replayed.dirty,
            checkpoint: FIRST_CHECKPOINT,
            bypassed_bytes: 0,
            new_directories: true,
            next_partition: replayed.next_partition,
            graves,
            doomed: replayed
                .dropped
                .into_iter()
                .map(|(store, base, bytes)| (end, store, base, bytes))
                .collect(),
        };
        let registry = replayed.registry;
        let producer_ids = replayed.producer_ids;
        let recovered = Recovered { cluster_id, epoch, registry, committer, written, producer_ids };
        let core = Self::new(disk, options, recovered);
        // Durable before anything is stored in this epoch; a clean end is none any more from here on.
        core.log_event(&Event::Start { epoch }, |_| ())?;
        Ok(core)
    }
}

/// The first manifest of a new directory.
fn begin(disk: &dyn Disk, found: &Found) -> Result<Manifest, LogError> {
    let entries = disk.list("").map_err(failed("looking into the data directory"))?;
    let is_partition = |name: &str| {
        let index = name.rsplit_once('-').map(|(_, index)| index);
        index.is_some_and(|index| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()))
    };
    let partition = entries.iter().find(|entry| entry.is_directory && is_partition(&entry.name));
    if !found.is_empty() || partition.is_some() {
        let text = "the data directory has records but its file 'manifest' is missing";
        return Err(LogError::Corrupt(text.to_owned()));
    }
    let manifest = Manifest {
        cluster_id: new_cluster_id(),
        lsn: 1,
        clean: true,
        producer_ids: PRODUCER_ID_FIRST,
        ..Manifest::default()
    };
    manifest.write(disk)?;
    Ok(manifest)
}

/// A random id in the form of Kafka's: 16 bytes as 22 characters of base 64 for URLs (RFC 4648 section 5).
fn new_cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = uuid::Uuid::new_v4().as_u128();
    // 21 groups of 6 bits from the top, and the last two bits with four zeros after them.
    let group = |at: u32| if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 };
    (0..22).map(|at| char::from(ALPHABET[(group(at) & 63) as usize])).collect()
}

/// Makes what the manifest describes, in memory.
fn build(manifest: Manifest, options: &Options) -> Result<(Registry, Vec<Arc<Store>>), LogError> {
    let mut registry = Registry::default();
    let mut all = Vec::new();
    for (topic, states) in manifest.topics {
        let config = TopicConfig::parse(topic.given, options.segment_bytes_min)?;
        let name: Arc<str> = topic.name.into();
        let shared = Arc::new(TopicShared::new(name, TopicId(topic.id), config));
        let store = |(index, (number, image)): (usize, (u64, _))| {
            Arc::new(Store::new(shared.clone(), index as u32, number, image))
        };
        let partitions: Vec<_> =
            topic.partitions.into_iter().zip(states).enumerate().map(store).collect();
        all.extend(partitions.iter().cloned());
        registry.insert(OpenTopic { shared, partitions });
    }
    Ok((registry, all))
}
