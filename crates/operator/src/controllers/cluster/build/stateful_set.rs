//! A node's StatefulSet: one pod with a stable name and stable disks, which comes back when the operator is away.

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};

use super::super::names::{LABEL_NODE_ID, LABEL_POOL};
use super::super::{NodeSpec, Validated, setup};
use super::{metadata, pod, volume};
use crate::model::NodeId;

pub(super) fn build(validated: &Validated, id: NodeId, node: &NodeSpec) -> StatefulSet {
    let (names, inputs) = (&validated.names, &node.inputs);
    let labels = names.node_labels(&inputs.pool, id, inputs.roles);
    let node_id = id.to_string();
    let selector = names.label_selector([(LABEL_POOL, &*inputs.pool), (LABEL_NODE_ID, &node_id)]);
    let templates = volume::claim_templates(node, &labels);
    let mut metadata = metadata(validated, names.stateful_set(&inputs.pool, id));
    metadata.labels = Some(labels);
    metadata.annotations =
        Some([(setup::INPUTS.to_owned(), inputs.fingerprint().to_string())].into());
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(names.nodes_service()),
            // One that waits for another to be ready would wait for a quorum that waits for it.
            pod_management_policy: Some("Parallel".to_owned()),
            // Which pod is replaced when is the roller's to say.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some("Retain".to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            selector,
            template: pod::build(validated, id, node),
            volume_claim_templates: (!templates.is_empty()).then_some(templates),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}
