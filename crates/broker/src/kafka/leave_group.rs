//! LeaveGroup: out of a group, one member or many (KIP-345).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, LeavingMember, LeftMember,
};

use super::KafkaService;

/// From this version on many members leave at once.
const VERSION_WITH_MANY: i16 = 3;

impl KafkaService {
    pub(super) fn leave_group(&self, version: i16, request: &LeaveGroupRequest) -> Answer {
        if version < VERSION_WITH_MANY {
            let left = self.coordinator.leave(&request.group_id, &[(&request.member_id, None)]);
            let error_code = left[0] as i16;
            return Answer::ready(LeaveGroupResponse { error_code, ..Default::default() });
        }
        for member in &request.members {
            tracing::debug!(group = %request.group_id, member = %member.member_id,
                instance = member.group_instance_id.as_deref(), reason = member.reason.as_deref(),
                "a member leaves");
        }
        let asked = |member: &LeavingMember| {
            let instance_id = member.group_instance_id.clone();
            (member.member_id.clone(), instance_id)
        };
        let asked: Vec<_> = request.members.iter().map(asked).collect();
        let names: Vec<_> =
            asked.iter().map(|(id, instance)| (&**id, instance.as_deref())).collect();
        let left = self.coordinator.leave(&request.group_id, &names);
        let members = request.members.iter().zip(left).map(|(member, code)| LeftMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            error_code: code as i16,
        });
        Answer::ready(LeaveGroupResponse { members: members.collect(), ..Default::default() })
    }
}
