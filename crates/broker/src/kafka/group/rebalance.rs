//! From one generation to the next.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::ErrorCode;

use super::{Group, Output, State, refuse_sync};

impl<T> Group<T> {
    /// Asks everyone to join again. Whoever waits for an assignment is told at once, the others with their next
    /// heartbeat.
    pub(super) fn prepare_rebalance(&mut self, now_ms: i64) {
        if self.state == State::PreparingRebalance {
            return;
        }
        self.refuse_waiting_syncs(now_ms, ErrorCode::RebalanceInProgress);
        self.enter(now_ms, State::PreparingRebalance);
        self.rebalances += 1;
        self.deadline_ms = Some(now_ms + self.rebalance_timeout_ms());
    }

    /// Makes the next generation if nobody is missing.
    pub(super) fn try_complete_join(&mut self, now_ms: i64) {
        let all = self.members.values().all(|member| member.joining.is_some());
        if self.state == State::PreparingRebalance && all && self.invited.is_empty() {
            self.complete_join(now_ms);
        }
    }

    /// Makes the next generation of those who are there. Static members keep their place without joining again, until
    /// their session ends.
    pub(super) fn complete_join(&mut self, now_ms: i64) {
        let stays =
            |member: &super::Member<T>| member.joining.is_some() || member.instance_id.is_some();
        self.members.retain(|_, member| stays(member));
        if self.members.is_empty() {
            self.generation = self.generation.wrapping_add(1).max(1);
            self.protocol = None;
            self.leader = None;
            self.deadline_ms = None;
            self.enter(now_ms, State::Empty);
            self.outputs.push_back(Output::Store);
            return;
        }
        self.deadline_ms = Some(now_ms + self.rebalance_timeout_ms());
        let Some(leader) = self.elect() else { return };
        self.leader = Some(leader);
        self.generation = self.generation.wrapping_add(1).max(1);
        self.protocol = self.select_protocol();
        self.enter(now_ms, State::CompletingRebalance);
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.generation_for(&id);
            let member = self.members.get_mut(&id).expect("listed above");
            if let Some(answer) = member.joining.take() {
                member.touch(now_ms);
                self.outputs.push_back(Output::Join(answer, response));
            }
        }
    }

    /// The leader stays if it joined again; else the one that joined first leads. `None` when only static members are
    /// left and none of them joined: they are waited for.
    fn elect(&self) -> Option<Arc<str>> {
        let joining = || self.members.iter().filter(|(_, member)| member.joining.is_some());
        let stays = joining().find(|(id, _)| self.leader.as_ref() == Some(*id));
        let first = || joining().min_by_key(|(_, member)| member.joined);
        stays.or_else(first).map(|(id, _)| Arc::clone(id))
    }

    /// The protocol with the most votes among those that everyone knows; each member votes for the one it prefers.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let is_common = |name: &str| self.members.values().all(|member| member.knows(name));
        let mut votes: Vec<(Arc<str>, usize)> = Vec::new();
        for member in self.members.values() {
            let Some((choice, _)) = member.protocols.iter().find(|(name, _)| is_common(name))
            else {
                continue;
            };
            match votes.iter_mut().find(|(name, _)| name == choice) {
                Some((_, count)) => *count += 1,
                None => votes.push((Arc::clone(choice), 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name)
    }

    /// The leader, or others, did not sync in time: they are gone.
    pub(super) fn drop_those_without_sync(&mut self, now_ms: i64) {
        let silent = self.members.iter().filter(|(_, member)| member.syncing.is_none());
        let silent: Vec<Arc<str>> = silent.map(|(id, _)| Arc::clone(id)).collect();
        for id in silent {
            self.remove(now_ms, &id, ErrorCode::UnknownMemberId);
        }
    }

    pub(super) fn refuse_waiting_syncs(&mut self, now_ms: i64, code: ErrorCode) {
        self.storing = false;
        for member in self.members.values_mut() {
            if self.state == State::CompletingRebalance {
                member.assignment = Bytes::new();
            }
            if let Some(answer) = member.syncing.take() {
                member.touch(now_ms);
                self.outputs.push_back(Output::Sync(answer, refuse_sync(code)));
            }
        }
    }

    fn rebalance_timeout_ms(&self) -> i64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        i64::from(longest.unwrap_or_default())
    }
}
