//! LeaveGroup, and every other way out of a group.

use std::sync::Arc;

use klamm_kafka_proto::ErrorCode;

use super::{Group, Output, State, refuse_join, refuse_sync};

impl<T> Group<T> {
    /// A member leaves, or an administrator makes a static one leave by naming its instance alone (KIP-345).
    pub(crate) fn handle_leave(
        &mut self,
        now_ms: i64,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> ErrorCode {
        let id: Arc<str> = match (member_id, instance_id) {
            ("", Some(instance_id)) => match self.instances.get(instance_id) {
                Some(id) => Arc::clone(id),
                None => return ErrorCode::UnknownMemberId,
            },
            (id, instance_id) => {
                if instance_id.is_none() && self.invited.remove(id).is_some() {
                    self.try_complete_join(now_ms);
                    return ErrorCode::None;
                }
                if let Err(refused) = self.check_identity(id, instance_id) {
                    return refused;
                }
                id.into()
            }
        };
        self.remove(now_ms, &id, ErrorCode::UnknownMemberId);
        self.try_complete_join(now_ms);
        ErrorCode::None
    }

    /// Takes a member out; what it waits for is refused with `code`. The others rebalance.
    pub(super) fn remove(&mut self, now_ms: i64, id: &Arc<str>, code: ErrorCode) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(answer) = member.joining {
            self.outputs.push_back(Output::Join(answer, refuse_join(code, id)));
        }
        if let Some(answer) = member.syncing {
            self.outputs.push_back(Output::Sync(answer, refuse_sync(code)));
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.remove(instance_id);
        }
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(now_ms),
            State::Empty | State::PreparingRebalance => {}
        }
    }
}
