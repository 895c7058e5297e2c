//! A node's pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::names::{LABEL_BROKER, LABEL_CONTROLLER};
use super::super::{Inputs, NodeSpec, Validated, setup};
use super::{agent, container, log4j2, properties, volume};
use crate::model::{Fingerprint, NodeId};

/// User and group `appuser` of the official image.
const APPUSER: i64 = 1000;
/// A broker hands its leaderships over and closes its logs; killed before, it reads them all when it comes back.
const TERMINATION_GRACE_PERIOD_SECONDS: i64 = 120;

/// With annotations that tell each part of it.
pub(super) fn build(validated: &Validated, id: NodeId, node: &NodeSpec) -> PodTemplateSpec {
    let inputs = &node.inputs;
    let mut labels = inputs.template.labels.clone();
    labels.extend(validated.names.node_labels(&inputs.pool, id, inputs.roles));
    let mut annotations = inputs.template.annotations.clone();
    let config = properties::render(&properties::of(validated, id, node));
    let resources = Fingerprint::of(&(&inputs.resources, node.heap_mib)).to_string();
    for (key, value) in [
        (setup::PROPERTIES, config),
        (setup::LOG4J2, log4j2::TEXT.to_owned()),
        (setup::AGENT, agent::render(validated, id, node)),
        (setup::STORAGE, volume::storage(inputs)),
        (setup::RESOURCES, resources),
        (setup::RESTART, inputs.restart.clone()),
    ] {
        annotations.insert(key.to_owned(), value);
    }
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(spec(validated, id, node)),
    };
    let revision = revision(&template);
    let metadata = template.metadata.get_or_insert_default();
    metadata.annotations.get_or_insert_default().insert(setup::REVISION.to_owned(), revision);
    template
}

/// Names all of a pod that none of its other annotations tells: which disks, how much memory and what configuration are told apart,
/// because they are different reasons to restart it, or none; and whose agent is in it, which is none.
fn revision(template: &PodTemplateSpec) -> String {
    let mut rest = template.clone();
    let annotations = rest.metadata.get_or_insert_default().annotations.get_or_insert_default();
    for told in [setup::PROPERTIES, setup::STORAGE, setup::RESOURCES, setup::RESTART] {
        annotations.remove(told);
    }
    if let Some(text) = annotations.get_mut(setup::AGENT) {
        *text = agent::without_disks(text);
    }
    let spec = rest.spec.get_or_insert_default();
    spec.volumes.get_or_insert_default().retain(|volume| !volume.name.starts_with("data-"));
    // The next restart brings the agent of the operator there is then; that it is another one is no reason for a restart.
    spec.init_containers.iter_mut().flatten().for_each(|container| container.image = None);
    for container in spec.containers.iter_mut().filter(|c| c.name == container::KAFKA) {
        container.resources = None;
        container.env.get_or_insert_default().retain(|variable| variable.name != container::HEAP);
        let mounts = container.volume_mounts.get_or_insert_default();
        mounts.retain(|mount| !mount.name.starts_with("data-"));
    }
    Fingerprint::of(&rest).to_string()
}

fn spec(validated: &Validated, id: NodeId, node: &NodeSpec) -> PodSpec {
    let inputs = &node.inputs;
    let template = &inputs.template;
    let account = template.service_account_name.clone();
    PodSpec {
        init_containers: Some(vec![container::install(validated)]),
        containers: vec![container::kafka(node)],
        volumes: Some(volume::volumes(validated, id, inputs)),
        security_context: Some(security(validated.openshift)),
        service_account_name: Some(account.unwrap_or_else(|| validated.names.service_account())),
        automount_service_account_token: Some(false),
        // Variables named KAFKA_* of a service named kafka would become properties.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(
            template.termination_grace_period_seconds.unwrap_or(TERMINATION_GRACE_PERIOD_SECONDS),
        ),
        topology_spread_constraints: Some(spread(validated, inputs)),
        node_selector: some(template.node_selector.clone()),
        affinity: template.affinity.clone(),
        tolerations: (!template.tolerations.is_empty()).then(|| template.tolerations.clone()),
        priority_class_name: template.priority_class_name.clone(),
        image_pull_secrets: (!template.image_pull_secrets.is_empty())
            .then(|| template.image_pull_secrets.clone()),
        ..PodSpec::default()
    }
}

fn some(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

/// Over zones and machines, as well as it goes, among the nodes of the cluster that do the same.
fn spread(validated: &Validated, inputs: &Inputs) -> Vec<TopologySpreadConstraint> {
    if let Some(own) = &inputs.template.topology_spread_constraints {
        return own.clone();
    }
    let text = |is: bool| if is { "true" } else { "false" };
    let alike = validated.names.label_selector([
        (LABEL_BROKER, text(inputs.roles.broker)),
        (LABEL_CONTROLLER, text(inputs.roles.controller)),
    ]);
    let over = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(alike.clone()),
        ..TopologySpreadConstraint::default()
    };
    vec![over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")]
}

/// As the standard `restricted` has it. OpenShift picks ids itself and refuses others.
fn security(openshift: bool) -> PodSecurityContext {
    let id = (!openshift).then_some(APPUSER);
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: id,
        run_as_group: id,
        fs_group: id,
        fs_group_change_policy: id.map(|_| "OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}
