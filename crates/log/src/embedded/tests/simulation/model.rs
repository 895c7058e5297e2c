//! What must be true of the log, in the simplest form.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{self, BatchBuilder, Compression, Producer};

use super::{Core, OffsetSpec, Store};
use crate::{LogError, Topic, TopicId};

/// Timestamps lie below this.
pub(super) const TIMESTAMPS: i64 = 1000;

/// What topics are made with.
pub(super) const CONFIGS: [&[(&str, &str)]; 3] = [
    &[("segment.bytes", "600"), ("index.interval.bytes", "100"), ("retention.ms", "-1")],
    &[
        ("durability", "os"),
        ("segment.bytes", "600"),
        ("index.interval.bytes", "0"),
        ("retention.ms", "-1"),
    ],
    &[("retention.bytes", "3000"), ("segment.bytes", "500"), ("retention.ms", "-1")],
];

/// A promise that does not hold.
#[derive(Debug)]
pub(in crate::embedded::tests) struct Broken(pub(super) String);

/// What the log came through last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Survived {
    #[default]
    Process,
    Power,
}

/// A partition. Each record is known by a number of its own.
#[derive(Debug, Default)]
pub(super) struct PartitionModel {
    os: bool,
    /// Must be there whatever happens.
    durable: BTreeMap<i64, u64>,
    /// Must be there unless the power goes.
    written: BTreeMap<i64, u64>,
    pub(super) start_min: i64,
    pub(super) start_max: i64,
    pub(super) last_sent: Option<(Vec<u64>, i32)>,
    pub(super) next_sequence: i32,
}

#[derive(Debug)]
struct TopicModel {
    name: String,
    os: bool,
    /// A change that may or may not have come about.
    os_unsure: bool,
    partitions_min: u32,
    deletion_tried: bool,
    deleted: bool,
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct Model {
    topics: HashMap<TopicId, TopicModel>,
    partitions: HashMap<(TopicId, u32), PartitionModel>,
    pub(super) producer_ids: BTreeSet<i64>,
    pub(super) survived: Survived,
}

fn timestamp(id: u64) -> i64 {
    (id * 7919 % TIMESTAMPS as u64) as i64
}

/// A batch of records with these numbers.
pub(in crate::embedded::tests) fn batch(ids: &[u64], sequence: Option<i32>, long: bool) -> Bytes {
    let codec = if ids[0].is_multiple_of(5) { Compression::Lz4 } else { Compression::None };
    let mut builder = BatchBuilder::new().compression(codec);
    if let Some(base_sequence) = sequence {
        builder = builder.producer(Producer { id: 1, epoch: 0, base_sequence });
    }
    for id in ids {
        let padding = if long { 2500 } else { (id % 90) as usize };
        let mut value = id.to_be_bytes().to_vec();
        value.resize(8 + padding, *id as u8);
        builder.append(timestamp(*id), None, Some(&value), &[]);
    }
    builder.build()
}

/// Reads `from..end`, checking what can be checked of any log: whole batches without gaps, with good CRCs.
pub(in crate::embedded::tests) fn read(
    core: &Core,
    store: &Arc<Store>,
    from: i64,
    end: i64,
    max_bytes: usize,
) -> Result<BTreeMap<i64, u64>, Broken> {
    let (mut found, mut at) = (BTreeMap::new(), from);
    while at < end {
        let read = core.read(store, at, max_bytes, true);
        let read =
            read.map_err(|error| Broken(format!("reading {at} of {from}..{end}: {error}")))?;
        let bytes = read.map(|read| read.bytes).unwrap_or_default();
        if bytes.is_empty() {
            return Err(Broken(format!("nothing at {at} of {from}..{end}")));
        }
        let mut expected = None;
        for one in records::batches(bytes) {
            let (header, bytes) = one.map_err(|error| Broken(format!("at {at}: {error}")))?;
            header.verify(&bytes).map_err(|error| Broken(format!("at {at}: {error}")))?;
            let follows = match expected {
                None => header.base_offset <= at && header.next_offset() > at,
                Some(expected) => header.base_offset == expected,
            };
            if !follows {
                return Err(Broken(format!("{} where {at} was read", header.base_offset)));
            }
            for record in records::records(&bytes, 1 << 20).unwrap().map(Result::unwrap) {
                if record.offset >= from {
                    let value = record.value.unwrap_or_default();
                    let id = value.first_chunk().map_or(0, |id| u64::from_be_bytes(*id));
                    if record.timestamp != timestamp(id) {
                        return Err(Broken(format!("record {} is another's", record.offset)));
                    }
                    found.insert(record.offset, id);
                }
            }
            at = header.next_offset();
            expected = Some(at);
        }
    }
    if found.len() as i64 != end.max(from) - from {
        return Err(Broken(format!("{} records in {from}..{end}", found.len())));
    }
    Ok(found)
}

/// ListOffsets against a look at every record.
pub(in crate::embedded::tests) fn check_timestamp(
    core: &Core,
    store: &Arc<Store>,
    from: i64,
) -> Result<(), Broken> {
    let (start, end) = (store.log_start(), store.high_watermark());
    let all = read(core, store, start, end, 1 << 20)?;
    let first = |wanted: i64| {
        let found = all.iter().find(|(_, id)| timestamp(**id) >= wanted);
        found.map_or((-1, -1), |(offset, id)| (*offset, timestamp(*id)))
    };
    let max = all.values().map(|id| timestamp(*id)).max();
    for (spec, expected) in [
        (OffsetSpec::Timestamp(from), first(from)),
        (OffsetSpec::MaxTimestamp, max.map_or((-1, -1), first)),
    ] {
        let found = core.list_offset(store, spec).map_err(|e| Broken(format!("{spec:?}: {e}")))?;
        if (found.offset, found.timestamp) != expected {
            let text =
                format!("{spec:?} gives {found:?} where {expected:?} is right, {start}..{end}");
            return Err(Broken(text));
        }
    }
    Ok(())
}

fn put(known: &mut BTreeMap<i64, u64>, offset: i64, id: u64) -> Result<(), Broken> {
    match known.insert(offset, id) {
        Some(before) if before != id => {
            Err(Broken(format!("offset {offset} was record {before} and is {id}")))
        }
        _ => Ok(()),
    }
}

impl PartitionModel {
    /// An append was acknowledged.
    pub(super) fn acknowledge(
        &mut self,
        base_offset: i64,
        ids: &[u64],
        synced: bool,
    ) -> Result<(), Broken> {
        for (offset, id) in (base_offset..).zip(ids) {
            put(&mut self.written, offset, *id)?;
            if synced && !self.os {
                put(&mut self.durable, offset, *id)?;
            }
        }
        Ok(())
    }

    /// Records were shown to a reader.
    pub(super) fn see(&mut self, found: &BTreeMap<i64, u64>) -> Result<(), Broken> {
        for (offset, id) in found {
            put(&mut self.written, *offset, *id)?;
            if !self.os {
                put(&mut self.durable, *offset, *id)?;
            }
        }
        Ok(())
    }

    pub(super) fn offset_of(&self, id: u64) -> Option<i64> {
        self.written.iter().find(|(_, known)| **known == id).map(|(offset, _)| *offset)
    }

    /// After a start: `found` is all there is.
    pub(super) fn check(
        &mut self,
        start: i64,
        end: i64,
        found: &BTreeMap<i64, u64>,
        survived: Survived,
    ) -> Result<(), Broken> {
        if !(self.start_min..=self.start_max.max(self.start_min)).contains(&start) {
            let (min, max) = (self.start_min, self.start_max);
            return Err(Broken(format!("it starts at {start}, which is not in {min}..={max}")));
        }
        let must = if survived == Survived::Power { &self.durable } else { &self.written };
        for (offset, id) in must.range(start..) {
            if found.get(offset) != Some(id) {
                let text =
                    format!("offset {offset} was record {id} and is {:?}", found.get(offset));
                return Err(Broken(format!("{text}; it ends at {end}")));
            }
        }
        if survived == Survived::Power {
            // What was lost may come again as another record.
            self.written.clone_from(&self.durable);
        }
        self.see(found)?;
        self.start_min = start;
        self.start_max = start;
        Ok(())
    }
}

impl Model {
    pub(super) fn partition(&mut self, topic: TopicId, index: u32) -> &mut PartitionModel {
        let os = self.topics.get(&topic).is_some_and(|topic| topic.os || topic.os_unsure);
        let partition = self.partitions.entry((topic, index)).or_default();
        partition.os = os;
        partition
    }

    /// A checkpoint came about: what is written is durable.
    pub(super) fn all_durable(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.durable.clone_from(&partition.written);
        }
    }

    pub(super) fn create(&mut self, name: &str, os: bool, created: Result<Topic, LogError>) {
        let Ok(topic) = created else { return };
        let model = TopicModel {
            name: name.to_owned(),
            os,
            os_unsure: false,
            partitions_min: topic.partitions,
            deletion_tried: false,
            deleted: false,
        };
        self.topics.insert(topic.id, model);
    }

    pub(super) fn delete(&mut self, name: &str, id: TopicId, deleted: bool) {
        let unknown = || TopicModel {
            name: name.to_owned(),
            os: false,
            os_unsure: false,
            partitions_min: 0,
            deletion_tried: true,
            deleted,
        };
        let topic = self.topics.entry(id).or_insert_with(unknown);
        topic.deletion_tried = true;
        topic.deleted |= deleted;
    }

    pub(super) fn grow(&mut self, id: TopicId, total: u32, done: bool) {
        if done && let Some(topic) = self.topics.get_mut(&id) {
            topic.partitions_min = total;
        }
    }

    pub(super) fn set_durability(&mut self, id: TopicId, os: bool, done: bool) {
        let Some(topic) = self.topics.get_mut(&id) else { return };
        let was_os = topic.os || topic.os_unsure;
        if done {
            (topic.os, topic.os_unsure) = (os, false);
        } else {
            topic.os_unsure = true;
        }
        if done && was_os && !os {
            for ((of, _), partition) in &mut self.partitions {
                if *of == id {
                    partition.durable.clone_from(&partition.written);
                }
            }
        }
    }

    /// After a start: topics there and not there, and how durable each is.
    pub(super) fn check_topics(&mut self, core: &Core) -> Result<(), Broken> {
        for (id, topic) in &self.topics {
            let found = core.topic(&topic.name).ok().filter(|found| found.shared.id == *id);
            let there = found.as_ref().map_or(0, |found| found.partitions.len() as u32);
            if topic.deleted && found.is_some() {
                return Err(Broken(format!("topic {} was deleted and is back", topic.name)));
            }
            if !topic.deletion_tried && there < topic.partitions_min {
                return Err(Broken(format!("topic {} has {there} partitions", topic.name)));
            }
        }
        for store in core.stores() {
            let config = store.topic.config();
            let topic = self.topics.entry(store.topic.id).or_insert_with(|| TopicModel {
                name: store.topic.name.to_string(),
                os: false,
                os_unsure: true,
                partitions_min: 0,
                deletion_tried: false,
                deleted: false,
            });
            topic.os = config.durability == crate::embedded::config::TopicDurability::Os;
            topic.os_unsure = false;
        }
        Ok(())
    }
}
