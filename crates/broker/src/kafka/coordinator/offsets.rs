//! Committed offsets: commit, look up, forget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_kafka_proto::ErrorCode;
use klamm_log::{LogError, Pending};

use super::committed::{Committed, Offsets};
use super::table::{KeyValue, Table, cost_bytes, group_key, offset_key, offset_record};
use super::{Coordinator, Entry};
use crate::kafka::error::code_of;
use crate::kafka::group::State;

/// Tombstones in one batch: with names of 32 KiB, the longest there are, they still fit the topic's largest batch.
const TOMBSTONES_MAX: usize = 100; // 100 * 2 * 32 KiB = 6.4 MiB

/// Who commits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committer<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) generation: i32,
}

/// An offset and where it belongs.
pub(crate) type Commit = (Arc<str>, i32, Committed);

/// Why offsets were not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The coordinator's word.
    Code(ErrorCode),
    /// The log's.
    Log(LogError),
}

impl Refused {
    /// As the client is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Code(code) => *code,
            // The topic of the offsets takes larger batches than any sensible commit.
            Self::Log(LogError::TooLarge { .. } | LogError::InvalidRecord(_)) => {
                ErrorCode::InvalidCommitOffsetSize
            }
            Self::Log(error) => match code_of(error) {
                // Of the partition of the offsets, which is not what the client asked about.
                ErrorCode::UnknownTopicOrPartition | ErrorCode::KafkaStorageError => {
                    ErrorCode::CoordinatorNotAvailable
                }
                code => code,
            },
        }
    }
}

impl Coordinator {
    /// Takes offsets; durable when what comes back resolves. Waits while the log has no room.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        committer: Committer<'_>,
        commits: &[Commit],
    ) -> Result<Pending, Refused> {
        let group_id: Arc<str> = Arc::from(committer.group_id);
        let now_ms = self.now_ms();
        let mut records = Vec::with_capacity(commits.len());
        for (topic, partition, committed) in commits {
            let record = offset_record(&group_id, topic, *partition, committed);
            records.push(record.map_err(Refused::Log)?);
        }
        let cost =
            commits.iter().map(|(topic, _, committed)| cost_bytes(&group_id, topic, committed));
        let cost: u64 = cost.sum();
        let taken = self.with_room(|table| {
            if let Err(code) = self.check_commit(table, &group_id, committer, cost) {
                return Ok(Err(code));
            }
            let pending = table.append(&*self.partition, &records, now_ms)?;
            let is_new = !table.groups.contains_key(&group_id);
            self.metrics.kafka_groups.add(u64::from(is_new));
            for (topic, partition, committed) in commits {
                let committed = Some(committed.clone());
                table.put_offset(&group_id, topic, *partition, committed, now_ms);
            }
            Ok(Ok(pending))
        });
        let pending = taken.await.map_err(Refused::Log)?.map_err(Refused::Code)?;
        self.metrics.kafka_offset_commits.add(commits.len() as u64);
        self.snapshot_if_due();
        Ok(pending)
    }

    fn check_commit(
        &self,
        table: &mut Table,
        group_id: &Arc<str>,
        committer: Committer<'_>,
        cost: u64,
    ) -> Result<(), ErrorCode> {
        if table.bytes() + cost > self.limits.table_bytes_max {
            return Err(ErrorCode::InvalidCommitOffsetSize);
        }
        if let Some(entry) = table.groups.get_mut(group_id) {
            let Committer { member_id, instance_id, generation, .. } = committer;
            return entry.group.handle_commit(self.now_ms(), member_id, instance_id, generation);
        }
        // Only a consumer that assigns its partitions itself comes without having joined.
        if committer.generation >= 0 {
            return Err(ErrorCode::GroupIdNotFound);
        }
        if self.has_room(table) { Ok(()) } else { Err(ErrorCode::GroupMaxSizeReached) }
    }

    /// The group's offsets as `see` wants them, once they are durable; `None` when there is no such group.
    pub(crate) async fn offsets<R>(
        &self,
        group_id: &str,
        see: impl FnOnce(&Offsets) -> R,
    ) -> Result<Option<R>, ErrorCode> {
        let seen = {
            let table = self.table();
            table.groups.get(group_id).map(|entry| (entry.written, see(&entry.offsets)))
        };
        let Some((written, seen)) = seen else { return Ok(None) };
        self.durable(written).await?;
        Ok(Some(seen))
    }

    /// Forgets offsets of a group (OffsetDelete).
    pub(crate) async fn delete_offsets(
        self: &Arc<Self>,
        group_id: &str,
        which: &[(Arc<str>, i32)],
    ) -> Result<(), LogError> {
        let group_id: Arc<str> = Arc::from(group_id);
        let now_ms = self.now_ms();
        let pending = self.with_room(|table| {
            let Some(entry) = table.groups.get(&group_id) else { return Ok(None) };
            let there = |(topic, partition): &&(Arc<str>, i32)| {
                entry.offsets.get(topic).is_some_and(|found| found.contains_key(partition))
            };
            let there: Vec<_> = which.iter().filter(there).cloned().collect();
            self.forget(table, &group_id, &there, now_ms)
        });
        settle_pending(pending.await?).await
    }

    /// Forgets a group and its offsets (DeleteGroups).
    pub(crate) async fn delete_group(self: &Arc<Self>, group_id: &str) -> Result<(), Refused> {
        let group_id: Arc<str> = Arc::from(group_id);
        let now_ms = self.now_ms();
        let deleted = self.with_room(|table| match table.groups.get(&group_id) {
            None => Ok(Err(ErrorCode::GroupIdNotFound)),
            Some(entry) if !entry.group.is_unused() => Ok(Err(ErrorCode::NonEmptyGroup)),
            Some(_) => self.remove_group(table, &group_id, now_ms).map(Ok),
        });
        let pending = deleted.await.map_err(Refused::Log)?.map_err(Refused::Code)?;
        settle_pending(pending).await.map_err(Refused::Log)
    }

    /// A topic is gone, and what was committed for it.
    pub(crate) async fn forget_topic(self: &Arc<Self>, topic: &str) -> Result<(), LogError> {
        let groups: Vec<Arc<str>> = {
            let table = self.table();
            let holds = table.groups.iter().filter(|(_, entry)| entry.offsets.contains_key(topic));
            holds.map(|(id, _)| Arc::clone(id)).collect()
        };
        let now_ms = self.now_ms();
        for group_id in groups {
            let pending = self.with_room(|table| {
                let Some(entry) = table.groups.get(&group_id) else { return Ok(None) };
                let Some((topic, found)) = entry.offsets.get_key_value(topic) else {
                    return Ok(None);
                };
                let all = found.keys().map(|partition| (Arc::clone(topic), *partition));
                let all: Vec<_> = all.collect();
                self.forget(table, &group_id, &all, now_ms)
            });
            settle_pending(pending.await?).await?;
        }
        Ok(())
    }

    /// Topics that any group has offsets of.
    pub(super) fn topics(&self) -> BTreeSet<Arc<str>> {
        self.table().groups.values().flat_map(|entry| entry.offsets.keys().cloned()).collect()
    }

    /// Forgets what is due (KIP-211): offsets of groups that are empty long enough, then the groups.
    pub(super) async fn expire(self: &Arc<Self>) -> Result<(), LogError> {
        let groups: Vec<Arc<str>> = self.table().groups.keys().cloned().collect();
        let now_ms = self.now_ms();
        for group_id in groups {
            let pending = self.with_room(|table| {
                let Some(entry) = table.groups.get(&group_id) else { return Ok(None) };
                if !entry.group.is_unused() {
                    return Ok(None);
                }
                let due = due(entry, now_ms, self.limits.offsets_retention_ms);
                let all = entry.offsets.values().map(BTreeMap::len).sum::<usize>();
                if due.len() == all {
                    self.remove_group(table, &group_id, now_ms)
                } else {
                    self.forget(table, &group_id, &due, now_ms)
                }
            });
            settle_pending(pending.await?).await?;
        }
        Ok(())
    }

    /// Forgets offsets, a batch of tombstones after the other. When the log has no room half-way, those before are
    /// forgotten in the table and in the log alike.
    fn forget(
        &self,
        table: &mut Table,
        group_id: &Arc<str>,
        which: &[(Arc<str>, i32)],
        now_ms: i64,
    ) -> Result<Option<Pending>, LogError> {
        let mut pending = None;
        for which in which.chunks(TOMBSTONES_MAX) {
            let tombstone = |(topic, partition): &(Arc<str>, i32)| {
                Ok((offset_key(group_id, topic, *partition)?, None))
            };
            let records =
                which.iter().map(tombstone).collect::<Result<Vec<KeyValue>, LogError>>()?;
            pending = Some(table.append(&*self.partition, &records, now_ms)?);
            for (topic, partition) in which {
                table.put_offset(group_id, topic, *partition, None, now_ms);
            }
        }
        Ok(pending)
    }

    fn remove_group(
        &self,
        table: &mut Table,
        group_id: &Arc<str>,
        now_ms: i64,
    ) -> Result<Option<Pending>, LogError> {
        let Some(entry) = table.groups.get(group_id) else { return Ok(None) };
        let of_topic = |(topic, found): (&Arc<str>, &BTreeMap<i32, Committed>)| {
            let topic = Arc::clone(topic);
            found.keys().map(move |partition| (Arc::clone(&topic), *partition)).collect::<Vec<_>>()
        };
        let all: Vec<_> = entry.offsets.iter().flat_map(of_topic).collect();
        let was_stored = entry.stored.is_some();
        let mut pending = self.forget(table, group_id, &all, now_ms)?;
        if was_stored {
            let record = (group_key(group_id)?, None);
            pending = Some(table.append(&*self.partition, &[record], now_ms)?);
        }
        table.remove(group_id);
        self.metrics.kafka_groups.subtract(1);
        Ok(pending)
    }
}

async fn settle_pending(pending: Option<Pending>) -> Result<(), LogError> {
    match pending {
        Some(pending) => pending.await.map(drop),
        None => Ok(()),
    }
}

fn due(entry: &Entry, now_ms: i64, retention_ms: i64) -> Vec<(Arc<str>, i32)> {
    let had_members = !entry.group.protocol_type().is_empty();
    let empty_since_ms =
        Some(entry.group.since_ms()).filter(|_| had_members && entry.group.state() == State::Empty);
    let mut due = Vec::new();
    for (topic, partitions) in &entry.offsets {
        for (partition, committed) in partitions {
            if committed.due_ms(empty_since_ms, retention_ms) <= now_ms {
                due.push((Arc::clone(topic), *partition));
            }
        }
    }
    due
}
