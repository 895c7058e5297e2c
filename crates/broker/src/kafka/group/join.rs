//! JoinGroup: dynamic members, with a second join since version 4 (KIP-394), and static ones (KIP-345).

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::join_group::{
    JoinGroupMember, JoinGroupRequest, JoinGroupResponse,
};

use super::member::{protocols, rebalance_timeout_ms};
use super::{Group, Member, Output, State, refuse_join};

/// From this version on, a new member is given its id first and joins with it (KIP-394).
const VERSION_WITH_SECOND_JOIN: i16 = 4;
/// From this version on, a leader can be told not to assign (KIP-814).
const VERSION_WITH_SKIP_ASSIGNMENT: i16 = 9;

/// Who joins: the request and what it does not say.
#[derive(Debug, Clone)]
pub(crate) struct Joiner<'a> {
    pub(crate) request: &'a JoinGroupRequest,
    pub(crate) version: i16,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    /// An id that nobody else has, in case a new one is needed.
    pub(crate) new_member_id: Arc<str>,
}

/// What becomes of a JoinGroup that is not refused.
enum Admission {
    /// The member waits for the next generation.
    Waits(Arc<str>),
    /// The answer is known.
    Now(Box<JoinGroupResponse>),
}

impl<T> Group<T> {
    /// A client wants to be, or to stay, a member.
    pub(crate) fn handle_join(&mut self, now_ms: i64, joiner: &Joiner<'_>, answer: T) {
        match self.admit(now_ms, joiner) {
            Err(code) => {
                let refused = refuse_join(code, &joiner.request.member_id);
                self.outputs.push_back(Output::Join(answer, refused));
            }
            Ok(Admission::Now(response)) => {
                self.outputs.push_back(Output::Join(answer, *response));
            }
            Ok(Admission::Waits(id)) => {
                let member = self.members.get_mut(&id).expect("admitted above");
                if let Some(earlier) = member.joining.replace(answer) {
                    let refused = refuse_join(ErrorCode::RebalanceInProgress, &id);
                    self.outputs.push_back(Output::Join(earlier, refused));
                }
            }
        }
        self.try_complete_join(now_ms);
    }

    fn admit(&mut self, now_ms: i64, joiner: &Joiner<'_>) -> Result<Admission, ErrorCode> {
        let request = joiner.request;
        match (&*request.member_id, request.group_instance_id.as_deref()) {
            ("", Some(instance_id)) => self.admit_static(now_ms, joiner, instance_id),
            ("", None) => self.admit_new(now_ms, joiner),
            (member_id, instance_id) => self.admit_known(now_ms, joiner, member_id, instance_id),
        }
    }

    fn admit_new(&mut self, now_ms: i64, joiner: &Joiner<'_>) -> Result<Admission, ErrorCode> {
        self.check_protocols(joiner.request, None)?;
        self.check_room()?;
        let id = Arc::clone(&joiner.new_member_id);
        if joiner.version >= VERSION_WITH_SECOND_JOIN {
            let response = refuse_join(ErrorCode::MemberIdRequired, &id);
            let until_ms = now_ms + i64::from(joiner.request.session_timeout_ms);
            self.invited.insert(id, until_ms);
            return Ok(Admission::Now(Box::new(response)));
        }
        Ok(self.add(now_ms, joiner, id))
    }

    fn admit_static(
        &mut self,
        now_ms: i64,
        joiner: &Joiner<'_>,
        instance_id: &str,
    ) -> Result<Admission, ErrorCode> {
        let current = self.instances.get(instance_id).cloned();
        self.check_protocols(joiner.request, current.as_deref())?;
        if let Some(current) = current {
            return Ok(self.replace(now_ms, joiner, &current));
        }
        self.check_room()?;
        Ok(self.add(now_ms, joiner, Arc::clone(&joiner.new_member_id)))
    }

    fn admit_known(
        &mut self,
        now_ms: i64,
        joiner: &Joiner<'_>,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<Admission, ErrorCode> {
        if instance_id.is_none() && self.invited.contains_key(member_id) {
            self.check_protocols(joiner.request, None)?;
            self.invited.remove(member_id);
            return Ok(self.add(now_ms, joiner, member_id.into()));
        }
        self.check_identity(member_id, instance_id)?;
        self.check_protocols(joiner.request, Some(member_id))?;
        let member = self.members.get_mut(member_id).expect("checked above");
        let unchanged = member.is_unchanged(joiner.request);
        member.update(joiner.request);
        member.touch(now_ms);
        let is_leader = self.leader.as_deref() == Some(member_id);
        match self.state {
            // The answer was lost on its way: it is given again.
            State::CompletingRebalance if unchanged => {
                Ok(Admission::Now(Box::new(self.generation_for(member_id))))
            }
            State::Stable if unchanged && !is_leader => {
                Ok(Admission::Now(Box::new(self.generation_for(member_id))))
            }
            _ => {
                self.prepare_rebalance(now_ms);
                Ok(Admission::Waits(member_id.into()))
            }
        }
    }

    fn add(&mut self, now_ms: i64, joiner: &Joiner<'_>, id: Arc<str>) -> Admission {
        let request = joiner.request;
        let instance_id: Option<Arc<str>> = request.group_instance_id.as_deref().map(Arc::from);
        if let Some(instance_id) = &instance_id {
            self.instances.insert(Arc::clone(instance_id), Arc::clone(&id));
        }
        self.joins += 1;
        let mut member = Member {
            instance_id,
            client_id: joiner.client_id.into(),
            client_host: joiner.client_host.into(),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: rebalance_timeout_ms(request),
            protocols: protocols(request),
            assignment: Bytes::new(),
            deadline_ms: 0,
            joining: None,
            syncing: None,
            joined: self.joins,
        };
        member.touch(now_ms);
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::from(&*request.protocol_type));
        }
        self.members.insert(Arc::clone(&id), member);
        self.prepare_rebalance(now_ms);
        Admission::Waits(id)
    }

    /// A static member came back without its member id: it gets a new one, and whoever still uses the old one is
    /// fenced off. While nothing else changes, the generation stays.
    fn replace(&mut self, now_ms: i64, joiner: &Joiner<'_>, old: &Arc<str>) -> Admission {
        let new = Arc::clone(&joiner.new_member_id);
        let mut member = self.members.remove(old).expect("instances name members");
        if let Some(answer) = member.joining.take() {
            let refused = refuse_join(ErrorCode::FencedInstanceId, old);
            self.outputs.push_back(Output::Join(answer, refused));
        }
        if let Some(answer) = member.syncing.take() {
            let refused = super::refuse_sync(ErrorCode::FencedInstanceId);
            self.outputs.push_back(Output::Sync(answer, refused));
        }
        member.client_id = joiner.client_id.into();
        member.client_host = joiner.client_host.into();
        member.update(joiner.request);
        member.touch(now_ms);
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(Arc::clone(instance_id), Arc::clone(&new));
        }
        self.members.insert(Arc::clone(&new), member);
        let was_leader = self.leader.as_ref() == Some(old);
        if was_leader {
            self.leader = Some(Arc::clone(&new));
        }
        if self.state != State::Stable || self.select_protocol() != self.protocol {
            self.prepare_rebalance(now_ms);
            return Admission::Waits(new);
        }
        self.outputs.push_back(Output::Store);
        Admission::Now(Box::new(self.generation_unchanged(joiner.version, &new, old, was_leader)))
    }

    /// The running generation for a static member that came back. A leader must not assign again: since version 9 it
    /// is told so, before that it is told that somebody else leads.
    fn generation_unchanged(
        &self,
        version: i16,
        new: &str,
        old: &str,
        was_leader: bool,
    ) -> JoinGroupResponse {
        let mut response = self.generation_for(new);
        if !was_leader {
            return response;
        }
        if version >= VERSION_WITH_SKIP_ASSIGNMENT {
            response.skip_assignment = true;
        } else {
            response.leader = old.into();
            response.members = Vec::new();
        }
        response
    }

    /// The running generation in a member's eyes; its leader sees everyone.
    pub(super) fn generation_for(&self, member_id: &str) -> JoinGroupResponse {
        let protocol = self.protocol();
        let is_leader = self.leader.as_deref() == Some(member_id);
        let seen = |(id, member): (&Arc<str>, &Member<T>)| JoinGroupMember {
            member_id: (&**id).into(),
            group_instance_id: member.instance_id.as_deref().map(Into::into),
            metadata: member.metadata(protocol),
        };
        let members = if is_leader { self.members.iter().map(seen).collect() } else { Vec::new() };
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.as_deref().map(Into::into),
            protocol_name: Some(protocol.into()),
            leader: self.leader.as_deref().unwrap_or_default().into(),
            member_id: member_id.into(),
            members,
            ..Default::default()
        }
    }

    /// The group must be left with a protocol that everyone knows. `except` is the member that asks, when it has a
    /// place already.
    fn check_protocols(
        &self,
        request: &JoinGroupRequest,
        except: Option<&str>,
    ) -> Result<(), ErrorCode> {
        let others = || self.members.iter().filter(|(id, _)| Some(&***id) != except);
        let is_common = |name: &str| others().all(|(_, member)| member.knows(name));
        let same_type = others().next().is_none()
            || self.protocol_type.as_deref() == Some(&*request.protocol_type);
        let good = same_type
            && !request.protocol_type.is_empty()
            && request.protocols.iter().any(|protocol| is_common(&protocol.name));
        if good { Ok(()) } else { Err(ErrorCode::InconsistentGroupProtocol) }
    }

    fn check_room(&self) -> Result<(), ErrorCode> {
        if self.members.len() + self.invited.len() < self.size_max {
            Ok(())
        } else {
            Err(ErrorCode::GroupMaxSizeReached)
        }
    }
}
