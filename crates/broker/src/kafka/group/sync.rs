//! SyncGroup: the leader says who reads what, everyone learns it once that is stored.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::{Group, Member, Output, State, refuse_sync};

impl<T> Group<T> {
    /// A member wants its assignment.
    pub(crate) fn handle_sync(&mut self, now_ms: i64, request: &SyncGroupRequest, answer: T) {
        if let Err(code) = self.check_sync(request) {
            self.outputs.push_back(Output::Sync(answer, refuse_sync(code)));
            return;
        }
        let id = &*request.member_id;
        self.touch(now_ms, id);
        let member = self.members.get_mut(id).expect("checked above");
        if self.state == State::Stable {
            let assignment = member.assignment.clone();
            let response = self.assigned(assignment);
            self.outputs.push_back(Output::Sync(answer, response));
            return;
        }
        if let Some(earlier) = member.syncing.replace(answer) {
            let refused = refuse_sync(ErrorCode::RebalanceInProgress);
            self.outputs.push_back(Output::Sync(earlier, refused));
        }
        if self.leader.as_deref() == Some(id) && !self.storing {
            self.assign(request);
            // From here on only the log is waited for.
            self.storing = true;
            self.deadline_ms = None;
            self.outputs.push_back(Output::Store);
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        let instance_id = request.group_instance_id.as_deref();
        self.check_member(&request.member_id, instance_id, request.generation_id)?;
        let differs = |theirs: &Option<_>, ours: &Option<Arc<str>>| {
            let theirs: &Option<klamm_kafka_proto::Str> = theirs;
            theirs.as_deref().is_some_and(|theirs| Some(theirs) != ours.as_deref())
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// Whoever the leader does not name has nothing to read.
    fn assign(&mut self, request: &SyncGroupRequest) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for given in &request.assignments {
            if let Some(member) = self.members.get_mut(&*given.member_id) {
                member.assignment = Bytes::copy_from_slice(&given.assignment);
            }
        }
    }

    /// The generation's metadata is in the log, or could not be stored.
    pub(crate) fn handle_stored(&mut self, now_ms: i64, generation: i32, stored: bool) {
        let awaited = self.state == State::CompletingRebalance && self.storing;
        if !awaited || generation != self.generation {
            return;
        }
        self.storing = false;
        if !stored {
            self.refuse_waiting_syncs(now_ms, ErrorCode::CoordinatorNotAvailable);
            self.prepare_rebalance(now_ms);
            return;
        }
        self.enter(now_ms, State::Stable);
        let mut told = Vec::new();
        for member in self.members.values_mut() {
            if let Some(answer) = member.syncing.take() {
                Member::touch(member, now_ms);
                told.push((answer, member.assignment.clone()));
            }
        }
        for (answer, assignment) in told {
            let response = self.assigned(assignment);
            self.outputs.push_back(Output::Sync(answer, response));
        }
    }

    fn assigned(&self, assignment: Bytes) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.as_deref().map(Into::into),
            protocol_name: self.protocol.as_deref().map(Into::into),
            assignment,
            ..Default::default()
        }
    }
}
