//! ListGroups: all groups, by state and type if asked (KIP-518, KIP-848).

use klamm_kafka::server::Answer;
use klamm_kafka_proto::Str;
use klamm_kafka_proto::messages::list_groups::{
    ListGroupsRequest, ListGroupsResponse, ListedGroup,
};

use super::KafkaService;

/// The type of every group here: members speak JoinGroup and SyncGroup.
const CLASSIC: &str = "classic";

impl KafkaService {
    pub(super) fn list_groups(&self, request: &ListGroupsRequest) -> Answer {
        let wanted = |filter: &[Str], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let mut groups = self.coordinator.look_at_all(|id, group| ListedGroup {
            group_id: (&**id).into(),
            protocol_type: group.protocol_type().into(),
            group_state: group.state().name().into(),
            group_type: Str::from_static(CLASSIC),
        });
        groups.retain(|group| {
            wanted(&request.states_filter, &group.group_state)
                && wanted(&request.types_filter, CLASSIC)
        });
        groups.sort_by(|a, b| a.group_id.as_str().cmp(b.group_id.as_str()));
        Answer::ready(ListGroupsResponse { groups, ..Default::default() })
    }
}
