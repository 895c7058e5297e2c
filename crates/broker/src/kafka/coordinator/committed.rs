//! Offsets of one group, and how they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_kafka_proto::Str;
use klamm_kafka_proto::consumer_offsets::OffsetCommitValue;

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// Leader epoch of the last record consumed, or -1.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Str,
    /// When it was committed, in milliseconds since 1970.
    pub(crate) committed_ms: i64,
    /// When it is to be forgotten, if the client said so (up to OffsetCommit version 4).
    pub(crate) expires_ms: Option<i64>,
}

/// Committed offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<Arc<str>, BTreeMap<i32, Committed>>;

impl Committed {
    pub(super) fn to_value(&self) -> OffsetCommitValue {
        OffsetCommitValue {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.clone(),
            commit_timestamp: self.committed_ms,
            expire_timestamp: self.expires_ms.unwrap_or(-1),
        }
    }

    pub(super) fn from_value(value: &OffsetCommitValue) -> Self {
        Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            // Copied, so that a few bytes do not keep what they were read with.
            metadata: Str::from(&*value.metadata),
            committed_ms: value.commit_timestamp,
            expires_ms: Some(value.expire_timestamp).filter(|ms| *ms >= 0),
        }
    }

    /// When it may be forgotten. `empty_since_ms` is when its group lost its last member; a group of consumers that
    /// assign their partitions themselves never had one (KIP-211).
    pub(super) fn due_ms(&self, empty_since_ms: Option<i64>, retention_ms: i64) -> i64 {
        let since_ms = empty_since_ms.map_or(self.committed_ms, |ms| ms.max(self.committed_ms));
        self.expires_ms.unwrap_or(since_ms.saturating_add(retention_ms))
    }
}
