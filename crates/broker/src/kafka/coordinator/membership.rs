//! Members: what JoinGroup, SyncGroup, Heartbeat and LeaveGroup ask of the coordinator, and what may be seen of groups.

use std::sync::Arc;

use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::sync_group::SyncGroupRequest;

use super::table::GroupView;
use super::{Coordinator, Table, Waiter};
use crate::kafka::group::Joiner;

impl Coordinator {
    /// Lets a member join; the waiter is told when its generation begins. When it is refused before it comes to its
    /// group, the waiter comes back.
    pub(crate) fn join(
        self: &Arc<Self>,
        joiner: &Joiner<'_>,
        waiter: Waiter,
    ) -> Result<(), (ErrorCode, Waiter)> {
        let request = joiner.request;
        let group_id: Arc<str> = Arc::from(&*request.group_id);
        let mut table = self.table();
        let cost: usize = request.protocols.iter().map(|p| p.name.len() + p.metadata.len()).sum();
        if table.bytes() + cost as u64 > self.limits.table_bytes_max {
            return Err((ErrorCode::GroupMaxSizeReached, waiter));
        }
        if !table.groups.contains_key(&group_id) {
            // Only a new member makes a group.
            if !request.member_id.is_empty() {
                return Err((ErrorCode::UnknownMemberId, waiter));
            }
            if !self.has_room(&mut table) {
                return Err((ErrorCode::GroupMaxSizeReached, waiter));
            }
            self.metrics.kafka_groups.add(1);
        }
        let now_ms = self.now_ms();
        let entry = table.entry(&group_id, now_ms);
        let before = entry.group.rebalances();
        entry.group.handle_join(now_ms, joiner, waiter);
        self.metrics.kafka_rebalances.add(entry.group.rebalances() - before);
        self.settle(&mut table, &group_id);
        Ok(())
    }

    /// Tells a member its assignment once the leader has brought it.
    pub(crate) fn sync(
        self: &Arc<Self>,
        request: &SyncGroupRequest,
        waiter: Waiter,
    ) -> Result<(), (ErrorCode, Waiter)> {
        let group_id: Arc<str> = Arc::from(&*request.group_id);
        let mut table = self.table();
        let Some(entry) = table.groups.get_mut(&group_id) else {
            return Err((ErrorCode::UnknownMemberId, waiter));
        };
        entry.group.handle_sync(self.now_ms(), request, waiter);
        self.settle(&mut table, &group_id);
        Ok(())
    }

    /// A member lives.
    pub(crate) fn heartbeat(
        self: &Arc<Self>,
        group_id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        let mut table = self.table();
        match table.groups.get_mut(group_id) {
            None => ErrorCode::UnknownMemberId,
            Some(entry) => {
                let now_ms = self.now_ms();
                entry.group.handle_heartbeat(now_ms, member_id, instance_id, generation)
            }
        }
    }

    /// Members leave, one after the other; what became of each.
    pub(crate) fn leave(
        self: &Arc<Self>,
        group_id: &str,
        members: &[(&str, Option<&str>)],
    ) -> Vec<ErrorCode> {
        let mut table = self.table();
        let group_id: Arc<str> = Arc::from(group_id);
        let Some(entry) = table.groups.get_mut(&group_id) else {
            return vec![ErrorCode::UnknownMemberId; members.len()];
        };
        let (now_ms, before) = (self.now_ms(), entry.group.rebalances());
        let leave = |(member_id, instance_id): &(&str, Option<&str>)| {
            entry.group.handle_leave(now_ms, member_id, *instance_id)
        };
        let left = members.iter().map(leave).collect();
        self.metrics.kafka_rebalances.add(entry.group.rebalances() - before);
        self.settle(&mut table, &group_id);
        left
    }

    /// Looks at a group.
    pub(crate) fn look<R>(&self, group_id: &str, see: impl FnOnce(&GroupView) -> R) -> Option<R> {
        self.table().groups.get(group_id).map(|entry| see(&entry.group))
    }

    /// Looks at every group.
    pub(crate) fn look_at_all<R>(&self, mut see: impl FnMut(&Arc<str>, &GroupView) -> R) -> Vec<R> {
        self.table().groups.iter().map(|(id, entry)| see(id, &entry.group)).collect()
    }

    /// Whether another group may be made. Groups that hold nothing make room.
    pub(super) fn has_room(&self, table: &mut Table) -> bool {
        if table.groups.len() >= self.limits.groups_max {
            self.drop_unused(table);
        }
        table.groups.len() < self.limits.groups_max && table.bytes() < self.limits.table_bytes_max
    }

    /// Groups nobody is in, without offsets and never stored, leave no trace.
    pub(super) fn drop_unused(&self, table: &mut Table) {
        let is_unused = |entry: &super::Entry| {
            entry.group.is_unused() && entry.offsets.is_empty() && entry.stored.is_none()
        };
        let unused: Vec<_> = table.groups.iter().filter(|(_, entry)| is_unused(entry)).collect();
        let unused: Vec<Arc<str>> = unused.into_iter().map(|(id, _)| Arc::clone(id)).collect();
        self.metrics.kafka_groups.subtract(unused.len() as u64);
        unused.iter().for_each(|group_id| table.remove(group_id));
    }
}
