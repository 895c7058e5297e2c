//! Every group and every committed offset in memory, and the records that they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::consumer_offsets::{
    GroupMember, GroupMetadataKey, GroupMetadataValue, OffsetCommitKey,
};
use klamm_kafka_proto::records::BatchBuilder;
use klamm_kafka_proto::{Str, WireError};
use klamm_log::{Durability, LogError, Partition, Pending};

use super::committed::{Committed, Offsets};
use super::{GroupLimits, Waiter};
use crate::kafka::group::{Group, GroupMetadata, MemberMetadata};

/// A group's view for whoever only looks.
pub(crate) type GroupView = Group<Waiter>;

/// What a record costs besides its key and value: its own framing and a place in the table.
const RECORD_OVERHEAD_BYTES: u64 = 100;

/// A group, its offsets and what of it is in the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) group: Group<Waiter>,
    pub(super) offsets: Offsets,
    /// The group's metadata as it was last appended.
    pub(super) stored: Option<Bytes>,
    /// Offset in the topic after the last record about this group.
    pub(super) written: i64,
    due_ms: Option<i64>,
    /// What its members cost in memory, when they were last counted.
    member_bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) groups: HashMap<Arc<str>, Entry>,
    /// Groups by the time at which they want to be looked at.
    due: BTreeSet<(i64, Arc<str>)>,
    /// Bytes of the records that a snapshot would write.
    pub(super) live_bytes: u64,
    /// Bytes of memory that members cost.
    member_bytes: u64,
    /// Bytes appended since the last snapshot.
    pub(super) appended_bytes: u64,
    /// Offset of the next record in the topic.
    pub(super) next_offset: i64,
    pub(super) snapshot_running: bool,
    pub(super) size_max: usize,
}

/// A record to be appended.
pub(super) type KeyValue = (Bytes, Option<Bytes>);

impl Table {
    pub(super) fn new(limits: &GroupLimits) -> Self {
        Self {
            groups: HashMap::new(),
            due: BTreeSet::new(),
            live_bytes: 0,
            member_bytes: 0,
            appended_bytes: 0,
            next_offset: 0,
            snapshot_running: false,
            size_max: limits.group_size_max,
        }
    }

    /// The group, made if it is not there.
    pub(super) fn entry(&mut self, group_id: &Arc<str>, now_ms: i64) -> &mut Entry {
        let size_max = self.size_max;
        self.groups.entry(Arc::clone(group_id)).or_insert_with(|| Entry {
            group: Group::new(now_ms, size_max),
            offsets: BTreeMap::new(),
            stored: None,
            written: 0,
            due_ms: None,
            member_bytes: 0,
        })
    }

    /// Takes a group out that holds nothing any more.
    pub(super) fn remove(&mut self, group_id: &Arc<str>) {
        let Some(entry) = self.groups.remove(group_id) else { return };
        if let Some(due_ms) = entry.due_ms {
            self.due.remove(&(due_ms, Arc::clone(group_id)));
        }
        self.member_bytes -= entry.member_bytes;
        if let Some(stored) = &entry.stored {
            self.live_bytes -= record_bytes(group_id.len(), stored.len());
        }
        for (topic, partitions) in &entry.offsets {
            for committed in partitions.values() {
                self.live_bytes -= offset_bytes(group_id, topic, committed);
            }
        }
    }

    /// Notes the group's next deadline; true when it comes before all others. One that moved away is left as it is: the
    /// group is looked at in vain and its deadline noted anew.
    pub(super) fn schedule(&mut self, group_id: &Arc<str>) -> bool {
        let Some(entry) = self.groups.get_mut(group_id) else { return false };
        let Some(next_ms) = entry.group.poll_deadline() else { return false };
        if entry.due_ms.is_some_and(|due_ms| due_ms <= next_ms) {
            return false;
        }
        if let Some(due_ms) = entry.due_ms.replace(next_ms) {
            self.due.remove(&(due_ms, Arc::clone(group_id)));
        }
        let is_first = self.due.first().is_none_or(|(first_ms, _)| next_ms < *first_ms);
        self.due.insert((next_ms, Arc::clone(group_id)));
        is_first
    }

    /// What the table costs in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.live_bytes + self.member_bytes
    }

    /// Counts anew what the group's members cost.
    pub(super) fn count_members(&mut self, group_id: &Arc<str>) {
        let Some(entry) = self.groups.get_mut(group_id) else { return };
        let before = std::mem::replace(&mut entry.member_bytes, entry.group.bytes());
        self.member_bytes = self.member_bytes - before + entry.member_bytes;
    }

    /// A group whose time has come.
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<Arc<str>> {
        if self.next_due_ms()? > now_ms {
            return None;
        }
        let (_, group_id) = self.due.pop_first()?;
        self.groups.get_mut(&group_id)?.due_ms = None;
        Some(group_id)
    }

    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Appends records as one batch, in the order of the table's changes.
    pub(super) fn append(
        &mut self,
        partition: &impl Partition,
        records: &[KeyValue],
        now_ms: i64,
    ) -> Result<Pending, LogError> {
        let mut batch = BatchBuilder::new();
        for (key, value) in records {
            batch.append(now_ms, Some(key), value.as_deref(), &[]);
        }
        let batch = batch.build();
        let bytes = batch.len() as u64;
        let pending = partition.append(batch, Durability::Synced)?;
        self.next_offset += records.len() as i64;
        self.appended_bytes += bytes;
        Ok(pending)
    }

    /// Appends the group's metadata as it is now.
    pub(super) fn append_group(
        &mut self,
        partition: &impl Partition,
        group_id: &Arc<str>,
        now_ms: i64,
    ) -> Result<Pending, LogError> {
        let entry = self.entry(group_id, now_ms);
        let value = group_value(&entry.group.metadata()).to_bytes().map_err(too_long)?;
        let record = (group_key(group_id)?, Some(value.clone()));
        let pending = self.append(partition, &[record], now_ms)?;
        self.put_group(group_id, value, now_ms);
        Ok(pending)
    }

    /// Notes what the topic says of a group.
    pub(super) fn put_group(&mut self, group_id: &Arc<str>, value: Bytes, now_ms: i64) {
        let written = self.next_offset;
        let bytes = record_bytes(group_id.len(), value.len());
        let entry = self.entry(group_id, now_ms);
        entry.written = written;
        let before = entry.stored.replace(value);
        self.live_bytes += bytes;
        self.live_bytes -= before.map_or(0, |before| record_bytes(group_id.len(), before.len()));
    }

    /// Notes what the topic says of an offset.
    pub(super) fn put_offset(
        &mut self,
        group_id: &Arc<str>,
        topic: &Arc<str>,
        partition: i32,
        committed: Option<Committed>,
        now_ms: i64,
    ) {
        let written = self.next_offset;
        let entry = self.entry(group_id, now_ms);
        entry.written = written;
        let (added, before) = match committed {
            Some(committed) => {
                let added = offset_bytes(group_id, topic, &committed);
                let partitions = entry.offsets.entry(Arc::clone(topic)).or_default();
                (added, partitions.insert(partition, committed))
            }
            None => {
                let Some(partitions) = entry.offsets.get_mut(topic) else { return };
                let before = partitions.remove(&partition);
                if partitions.is_empty() {
                    entry.offsets.remove(topic);
                }
                (0, before)
            }
        };
        self.live_bytes += added;
        self.live_bytes -= before.map_or(0, |before| offset_bytes(group_id, topic, &before));
    }
}

/// Bytes of a record: a key of names and a few numbers, and a value.
fn record_bytes(names: usize, value: usize) -> u64 {
    names as u64 + value as u64 + RECORD_OVERHEAD_BYTES
}

fn offset_bytes(group_id: &str, topic: &str, committed: &Committed) -> u64 {
    record_bytes(group_id.len() + topic.len(), committed.metadata.len())
}

/// What a commit of this offset would add at most.
pub(super) fn cost_bytes(group_id: &str, topic: &str, committed: &Committed) -> u64 {
    offset_bytes(group_id, topic, committed)
}

fn too_long(error: WireError) -> LogError {
    LogError::InvalidRecord(format!("a name of the group is too long to be stored: {error}"))
}

/// Key of a group's record.
pub(super) fn group_key(group_id: &str) -> Result<Bytes, LogError> {
    GroupMetadataKey { group: group_id.into() }.to_bytes().map_err(too_long)
}

/// Key of an offset's record.
pub(super) fn offset_key(group_id: &str, topic: &str, partition: i32) -> Result<Bytes, LogError> {
    let key = OffsetCommitKey { group: group_id.into(), topic: topic.into(), partition };
    key.to_bytes().map_err(too_long)
}

/// Record of an offset.
pub(super) fn offset_record(
    group_id: &str,
    topic: &str,
    partition: i32,
    committed: &Committed,
) -> Result<KeyValue, LogError> {
    let value = committed.to_value().to_bytes().map_err(too_long)?;
    Ok((offset_key(group_id, topic, partition)?, Some(value)))
}

fn group_value(metadata: &GroupMetadata) -> GroupMetadataValue {
    let text = |text: &Arc<str>| Str::from(&**text);
    let member = |member: &MemberMetadata| GroupMember {
        member_id: text(&member.member_id),
        group_instance_id: member.instance_id.as_ref().map(text),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    };
    GroupMetadataValue {
        protocol_type: text(&metadata.protocol_type),
        generation: metadata.generation,
        protocol: metadata.protocol.as_ref().map(text),
        leader: metadata.leader.as_ref().map(text),
        current_state_timestamp: metadata.since_ms,
        members: metadata.members.iter().map(member).collect(),
    }
}

/// A group as its record says.
pub(super) fn group_metadata(value: &GroupMetadataValue) -> GroupMetadata {
    let text = |text: &Str| Arc::<str>::from(&**text);
    let member = |member: &GroupMember| MemberMetadata {
        member_id: text(&member.member_id),
        instance_id: member.group_instance_id.as_ref().map(text),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        rebalance_timeout_ms: member.rebalance_timeout,
        session_timeout_ms: member.session_timeout,
        subscription: Bytes::copy_from_slice(&member.subscription),
        assignment: Bytes::copy_from_slice(&member.assignment),
    };
    GroupMetadata {
        protocol_type: text(&value.protocol_type),
        generation: value.generation,
        protocol: value.protocol.as_ref().map(text),
        leader: value.leader.as_ref().map(text),
        since_ms: value.current_state_timestamp,
        members: value.members.iter().map(member).collect(),
    }
}
