//! What of a group outlives a restart.

use std::sync::Arc;

use bytes::Bytes;

use super::{Group, Member, State};

/// A group as it is stored: members and assignment of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GroupMetadata {
    pub(crate) protocol_type: Arc<str>,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<Arc<str>>,
    /// When the group came into its state, in milliseconds since 1970.
    pub(crate) since_ms: i64,
    pub(crate) members: Vec<MemberMetadata>,
}

/// A member as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberMetadata {
    pub(crate) member_id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// Its metadata for the generation's protocol.
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

impl<T> Group<T> {
    /// Which generation [`Group::metadata`] is of.
    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// What is to be stored.
    pub(crate) fn metadata(&self) -> GroupMetadata {
        let member = |(id, member): (&Arc<str>, &Member<T>)| MemberMetadata {
            member_id: Arc::clone(id),
            instance_id: member.instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(self.protocol()),
            assignment: member.assignment.clone(),
        };
        GroupMetadata {
            protocol_type: self.protocol_type().into(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since_ms: self.since_ms,
            members: self.members.iter().map(member).collect(),
        }
    }

    /// As it was stored. Its members have a whole session to be heard of.
    pub(crate) fn restore(now_ms: i64, size_max: usize, stored: &GroupMetadata) -> Self {
        let mut group = Self::new(now_ms, size_max);
        group.since_ms = stored.since_ms;
        group.generation = stored.generation;
        group.protocol_type = Some(Arc::clone(&stored.protocol_type)).filter(|t| !t.is_empty());
        if stored.members.is_empty() {
            return group;
        }
        group.state = State::Stable;
        group.protocol.clone_from(&stored.protocol);
        group.leader.clone_from(&stored.leader);
        for member in &stored.members {
            group.restore_member(now_ms, member);
        }
        group
    }

    fn restore_member(&mut self, now_ms: i64, stored: &MemberMetadata) {
        self.joins += 1;
        let protocol = self.protocol.clone().unwrap_or_default();
        let mut member = Member {
            instance_id: stored.instance_id.clone(),
            client_id: Arc::clone(&stored.client_id),
            client_host: Arc::clone(&stored.client_host),
            session_timeout_ms: stored.session_timeout_ms,
            rebalance_timeout_ms: stored.rebalance_timeout_ms,
            protocols: vec![(protocol, stored.subscription.clone())],
            assignment: stored.assignment.clone(),
            deadline_ms: 0,
            joining: None,
            syncing: None,
            joined: self.joins,
        };
        member.touch(now_ms);
        if let Some(instance_id) = &stored.instance_id {
            self.instances.insert(Arc::clone(instance_id), Arc::clone(&stored.member_id));
        }
        self.members.insert(Arc::clone(&stored.member_id), member);
    }
}
