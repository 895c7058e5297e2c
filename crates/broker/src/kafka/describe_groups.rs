//! DescribeGroups: states and members.

use std::sync::Arc;

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedMember,
};
use klamm_kafka_proto::{ErrorCode, Str};

use super::KafkaService;
use super::coordinator::{GroupView, Waiter};
use super::group::{Member, State};

/// From this version on a group that is not there is an error; before, it is one in state "Dead" (KIP-1043).
const VERSION_WITH_NOT_FOUND: i16 = 6;
/// Bits of `authorized_operations` (KIP-430) that a group has: read 3, delete 6, describe 8.
const GROUP_OPERATIONS: i32 = 0b1_0100_1000; // nothing is forbidden to anyone yet

impl KafkaService {
    pub(super) fn describe_groups(&self, version: i16, request: &DescribeGroupsRequest) -> Answer {
        let describe = |group_id: &Str| {
            let seen = self.coordinator.look(group_id, |group| describe(group_id, group));
            let mut group = seen.unwrap_or_else(|| not_there(version, group_id));
            if request.include_authorized_operations {
                group.authorized_operations = GROUP_OPERATIONS;
            }
            group
        };
        let groups = request.groups.iter().map(describe).collect();
        Answer::ready(DescribeGroupsResponse { groups, ..Default::default() })
    }
}

fn not_there(version: i16, group_id: &Str) -> DescribedGroup {
    let group_id = group_id.clone();
    let group = DescribedGroup { group_id, group_state: "Dead".into(), ..Default::default() };
    if version < VERSION_WITH_NOT_FOUND {
        return group;
    }
    let code = ErrorCode::GroupIdNotFound;
    DescribedGroup { error_code: code as i16, error_message: Some(code.text().into()), ..group }
}

fn describe(group_id: &Str, group: &GroupView) -> DescribedGroup {
    // While a group rebalances, nothing is known of who reads what with which protocol.
    let stable = group.state() == State::Stable;
    let protocol = if stable { group.protocol() } else { "" };
    let member = |(id, member): (&Arc<str>, &Member<Waiter>)| DescribedMember {
        member_id: (&**id).into(),
        group_instance_id: member.instance_id.as_deref().map(Into::into),
        client_id: (&*member.client_id).into(),
        client_host: (&*member.client_host).into(),
        member_metadata: if stable { member.metadata(protocol) } else { Default::default() },
        member_assignment: if stable { member.assignment.clone() } else { Default::default() },
    };
    DescribedGroup {
        group_id: group_id.clone(),
        group_state: group.state().name().into(),
        protocol_type: group.protocol_type().into(),
        protocol_data: protocol.into(),
        members: group.members().iter().map(member).collect(),
        ..Default::default()
    }
}
