//! A consumer group of the classic protocol: members, generations, who waits for whom. No IO, no clock: time in
//! milliseconds since 1970 is an argument, and what is to be said comes out of [`Group::poll_output`].
//!
//! ```text
//!           first member joins              all have joined, or the rebalance timeout
//!  Empty ----------------------> PreparingRebalance ----------------------> CompletingRebalance
//!   | ^                            |      ^     ^                               |       |
//!   | |  nobody is left            |      |     |  a member comes, goes, is     |       | the leader's assignment
//!   | +----------------------------+      |     |  lost or changes its mind     |       | is stored
//!   |                                     |     +-------------------------------+       v
//!   |  deleted, or without                +----------------------------------------- Stable
//!   v  offsets for long enough
//!  Dead: not in the coordinator's table
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::messages::join_group::JoinGroupResponse;
use klamm_kafka_proto::messages::sync_group::SyncGroupResponse;
use klamm_kafka_proto::{ErrorCode, Str};

mod join;
mod leave;
mod member;
mod metadata;
mod rebalance;
mod sync;

pub(crate) use join::Joiner;
pub(crate) use member::Member;
pub(crate) use metadata::{GroupMetadata, MemberMetadata};

/// What a member id costs that was given out and not used yet.
const INVITED_BYTES: u64 = 400; // up to 255 bytes of client id, 36 of a UUID, a place in the map

/// Where a group stands. "Dead" is a group that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; perhaps offsets.
    Empty,
    /// Members are asked to join the next generation.
    PreparingRebalance,
    /// The generation is made; its leader has not told yet who reads what, or that is not stored yet.
    CompletingRebalance,
    /// Every member knows what to read.
    Stable,
}

impl State {
    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What the group wants done.
#[derive(Debug)]
pub(crate) enum Output<T> {
    /// Answer a JoinGroup.
    Join(T, JoinGroupResponse),
    /// Answer a SyncGroup.
    Sync(T, SyncGroupResponse),
    /// Store [`Group::metadata`] and tell the outcome to [`Group::handle_stored`].
    Store,
}

/// A group. `T` is whatever the caller needs to send an answer later.
#[derive(Debug)]
pub(crate) struct Group<T> {
    state: State,
    /// When it came into this state.
    since_ms: i64,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    /// Name of the protocol chosen for this generation.
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member<T>>,
    /// Member ids of static members, by `group.instance.id` (KIP-345).
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// Member ids given out with `MEMBER_ID_REQUIRED` (KIP-394), and until when they count.
    invited: BTreeMap<Arc<str>, i64>,
    /// Until when members may join (preparing) or sync (completing).
    deadline_ms: Option<i64>,
    /// The leader's assignment is on its way to the log.
    storing: bool,
    /// Members that ever joined: their order.
    joins: u64,
    rebalances: u64,
    size_max: usize,
    outputs: VecDeque<Output<T>>,
}

impl<T> Group<T> {
    /// One without members.
    pub(crate) fn new(now_ms: i64, size_max: usize) -> Self {
        Self {
            state: State::Empty,
            since_ms: now_ms,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            invited: BTreeMap::new(),
            deadline_ms: None,
            storing: false,
            joins: 0,
            rebalances: 0,
            size_max,
            outputs: VecDeque::new(),
        }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// When it came into its state, in milliseconds since 1970.
    pub(crate) fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// What kind of group it is, "consumer" for consumers; empty for one that only keeps offsets.
    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    /// The protocol of this generation; empty while there is none.
    pub(crate) fn protocol(&self) -> &str {
        self.protocol.as_deref().unwrap_or_default()
    }

    /// Members by their ids.
    pub(crate) fn members(&self) -> &BTreeMap<Arc<str>, Member<T>> {
        &self.members
    }

    /// Nobody is in it, and nobody was asked to come.
    pub(crate) fn is_unused(&self) -> bool {
        self.state == State::Empty && self.invited.is_empty()
    }

    /// About what its members cost in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let invited = self.invited.len() as u64 * INVITED_BYTES;
        self.members.values().map(Member::bytes).sum::<u64>() + invited
    }

    /// Rebalances begun.
    pub(crate) fn rebalances(&self) -> u64 {
        self.rebalances
    }

    /// A member says that it lives.
    pub(crate) fn handle_heartbeat(
        &mut self,
        now_ms: i64,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        if let Err(refused) = self.check_member(member_id, instance_id, generation) {
            return refused;
        }
        self.touch(now_ms, member_id);
        match self.state {
            State::PreparingRebalance => ErrorCode::RebalanceInProgress,
            State::Empty | State::CompletingRebalance | State::Stable => ErrorCode::None,
        }
    }

    /// Whether a commit of offsets may be taken. Generation -1 without a member is a consumer that assigns its
    /// partitions itself; it may commit while the group has no members.
    pub(crate) fn handle_commit(
        &mut self,
        now_ms: i64,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        self.check_member(member_id, instance_id, generation)?;
        self.touch(now_ms, member_id);
        match self.state {
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Empty | State::PreparingRebalance | State::Stable => Ok(()),
        }
    }

    /// Time goes on: members that were silent too long are lost, and a rebalance does not wait for ever.
    pub(crate) fn handle_time(&mut self, now_ms: i64) {
        self.invited.retain(|_, until_ms| *until_ms > now_ms);
        let is_lost = |member: &Member<T>| !member.is_waiting() && member.deadline_ms <= now_ms;
        let lost: Vec<_> = self.members.iter().filter(|(_, m)| is_lost(m)).collect();
        let lost: Vec<Arc<str>> = lost.into_iter().map(|(id, _)| Arc::clone(id)).collect();
        for id in lost {
            self.remove(now_ms, &id, ErrorCode::UnknownMemberId);
        }
        if self.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            match self.state {
                State::PreparingRebalance => self.complete_join(now_ms),
                State::CompletingRebalance => self.drop_those_without_sync(now_ms),
                State::Empty | State::Stable => self.deadline_ms = None,
            }
        }
        self.try_complete_join(now_ms);
    }

    /// When [`Group::handle_time`] is to be called next.
    pub(crate) fn poll_deadline(&self) -> Option<i64> {
        let members = self.members.values().filter(|m| !m.is_waiting()).map(|m| m.deadline_ms);
        let invited = self.invited.values().copied();
        members.chain(invited).chain(self.deadline_ms).min()
    }

    /// What is to be done, in order.
    pub(crate) fn poll_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// The checks of Heartbeat, SyncGroup and OffsetCommit.
    fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        self.check_identity(member_id, instance_id)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    fn check_identity(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.instances.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if **current != *member_id => {
                    return Err(ErrorCode::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    fn touch(&mut self, now_ms: i64, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.touch(now_ms);
        }
    }

    fn enter(&mut self, now_ms: i64, state: State) {
        self.state = state;
        self.since_ms = now_ms;
    }
}

fn refuse_join(code: ErrorCode, member_id: &str) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: code as i16,
        protocol_name: Some(Str::default()),
        member_id: member_id.into(),
        ..Default::default()
    }
}

fn refuse_sync(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: code as i16, assignment: Bytes::new(), ..Default::default() }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
