//! Reading the topic at start.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::WireError;
use klamm_kafka_proto::consumer_offsets::{GroupMetadataValue, Key, OffsetCommitValue};
use klamm_kafka_proto::records::{self, BatchError, Record};
use klamm_log::{EmbeddedPartition, LogError};

use super::committed::Committed;
use super::table::{Table, group_metadata};
use super::{GroupLimits, OFFSETS_RECORD_BYTES_MAX, OFFSETS_TOPIC};
use crate::kafka::group::Group;

/// Read at a time.
const READ_BYTES: usize = 1 << 20;

/// The table as the topic tells it.
pub(super) async fn load(
    partition: &EmbeddedPartition,
    limits: &GroupLimits,
    now_ms: i64,
) -> Result<Table, LogError> {
    let mut table = Table::new(limits);
    let mut groups = HashMap::new();
    let mut offset = partition.log_start_offset();
    loop {
        let read = partition.read(offset, READ_BYTES).await?;
        if read.bytes.is_empty() {
            break;
        }
        table.appended_bytes += read.bytes.len() as u64;
        for batch in records::batches(read.bytes) {
            let (header, batch) = batch.map_err(unreadable)?;
            for record in records::records(&batch, OFFSETS_RECORD_BYTES_MAX).map_err(unreadable)? {
                let record = record.map_err(unreadable)?;
                // A batch is given up only as a whole.
                if record.offset >= offset {
                    apply(&mut table, &mut groups, record, now_ms).map_err(|error| {
                        LogError::Corrupt(format!("record in {OFFSETS_TOPIC}: {error}"))
                    })?;
                }
            }
            offset = header.next_offset();
        }
    }
    table.next_offset = offset;
    restore_groups(&mut table, groups, limits, now_ms)?;
    Ok(table)
}

fn unreadable(error: BatchError) -> LogError {
    LogError::Corrupt(format!("batch in {OFFSETS_TOPIC}: {error}"))
}

/// The last word on each group; `None` when it was deleted.
type Groups = HashMap<Arc<str>, Option<Bytes>>;

fn apply(
    table: &mut Table,
    groups: &mut Groups,
    record: Record,
    now_ms: i64,
) -> Result<(), WireError> {
    match Key::read(record.key.unwrap_or_default())? {
        Key::Group(key) => {
            let value = record.value.map(|value| Bytes::copy_from_slice(&value));
            groups.insert(Arc::from(&*key.group), value);
        }
        Key::Offset(key) => {
            let value = record.value.map(OffsetCommitValue::from_bytes).transpose()?;
            let committed = value.as_ref().map(Committed::from_value);
            let (group, topic) = (Arc::from(&*key.group), Arc::from(&*key.topic));
            table.put_offset(&group, &topic, key.partition, committed, now_ms);
        }
        Key::Other(version) => {
            tracing::warn!(version, "passed over a record of a newer kind in {OFFSETS_TOPIC}");
        }
    }
    Ok(())
}

fn restore_groups(
    table: &mut Table,
    groups: Groups,
    limits: &GroupLimits,
    now_ms: i64,
) -> Result<(), LogError> {
    for (group_id, value) in groups {
        let Some(value) = value else { continue };
        let stored = GroupMetadataValue::from_bytes(value.clone())
            .map_err(|error| LogError::Corrupt(format!("group in {OFFSETS_TOPIC}: {error}")))?;
        let group = Group::restore(now_ms, limits.group_size_max, &group_metadata(&stored));
        table.entry(&group_id, now_ms).group = group;
        table.put_group(&group_id, value, now_ms);
        table.count_members(&group_id);
        table.schedule(&group_id);
    }
    let unused = |entry: &super::Entry| entry.stored.is_none() && entry.offsets.is_empty();
    let unused: Vec<_> = table.groups.iter().filter(|(_, entry)| unused(entry)).collect();
    let unused: Vec<Arc<str>> = unused.into_iter().map(|(id, _)| Arc::clone(id)).collect();
    unused.iter().for_each(|group_id| table.remove(group_id));
    Ok(())
}
