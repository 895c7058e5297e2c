//! Keeping the topic small: the whole table once more, and everything before it is given up.

use std::sync::Arc;

use bytes::Bytes;
use klamm_log::{LogError, Partition};

use super::Coordinator;
use super::table::{KeyValue, Table, group_key, offset_record};

/// Bytes of records appended at a time. The table's lock is held for as long.
const CHUNK_BYTES: usize = 256 << 10;
/// A snapshot is due when this many times the table has been written since the last one, so that it costs at most a
/// quarter of what was written anyway.
const GARBAGE_FACTOR: u64 = 4;

impl Coordinator {
    /// Begins a snapshot if enough was written since the last.
    pub(super) fn snapshot_if_due(self: &Arc<Self>) {
        let mut table = self.table();
        let enough = self.limits.snapshot_bytes_min.max(GARBAGE_FACTOR * table.live_bytes);
        if table.snapshot_running || table.appended_bytes <= enough {
            return;
        }
        table.snapshot_running = true;
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = this.snapshot().await {
                tracing::warn!(%error, "cannot write a snapshot of the groups");
            }
            this.table().snapshot_running = false;
        });
    }

    /// Changes may come between the chunks: each is appended after what the snapshot says of the same group, or before
    /// it and is contained in it. So a reader that begins at the snapshot ends up with the same table.
    async fn snapshot(&self) -> Result<(), LogError> {
        let (first, mut groups) = {
            let mut table = self.table();
            table.appended_bytes = 0;
            (table.next_offset, table.groups.keys().cloned().collect::<Vec<_>>())
        };
        while !groups.is_empty() {
            let now_ms = self.now_ms();
            let (left, pending) = self
                .with_room(|table| {
                    let (left, records) = chunk(table, &groups)?;
                    let mut pending = None;
                    // Of those that the log took before it had no room, all will be written again.
                    for batch in batches(&records) {
                        pending = Some(table.append(&*self.partition, batch, now_ms)?);
                    }
                    Ok((left, pending))
                })
                .await?;
            groups.truncate(left);
            if let Some(pending) = pending {
                pending.await?;
            }
        }
        self.partition.delete_records(first).await?;
        Ok(())
    }
}

/// Records of groups from the end of the list, about a chunk of them; how many groups are left.
fn chunk(table: &Table, groups: &[Arc<str>]) -> Result<(usize, Vec<KeyValue>), LogError> {
    let (mut left, mut bytes) = (groups.len(), 0);
    let mut records: Vec<KeyValue> = Vec::new();
    while left > 0 && bytes < CHUNK_BYTES {
        left -= 1;
        let group_id = &groups[left];
        let Some(entry) = table.groups.get(group_id) else { continue };
        let before = records.len();
        if let Some(stored) = &entry.stored {
            records.push((group_key(group_id)?, Some(stored.clone())));
        }
        for (topic, partitions) in &entry.offsets {
            for (partition, committed) in partitions {
                records.push(offset_record(group_id, topic, *partition, committed)?);
            }
        }
        bytes += records[before..].iter().map(size_bytes).sum::<usize>();
    }
    Ok((left, records))
}

fn size_bytes((key, value): &KeyValue) -> usize {
    key.len() + value.as_ref().map_or(0, Bytes::len)
}

/// A group with very many offsets is more than one batch.
fn batches(records: &[KeyValue]) -> Vec<&[KeyValue]> {
    let (mut batches, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, record) in records.iter().enumerate() {
        if bytes > 0 && bytes + size_bytes(record) > CHUNK_BYTES {
            batches.push(&records[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += size_bytes(record);
    }
    if from < records.len() {
        batches.push(&records[from..]);
    }
    batches
}
