//! Every manifest of four clusters, as Kubernetes gets it. `INSTA_UPDATE=always cargo test` writes them anew, and the difference is
//! for whoever reviews.

use k8s_openapi::api::apps::v1::StatefulSet;
use serde::Serialize;
use serde_json::Value;

use super::super::testing::{
    combined_input, openshift_input, secured, secured_input, single_input, valid,
};
use super::super::{Dereferenced, build, setup};
use super::{Manifests, properties};
use crate::model::NodeId;

fn yaml(manifests: &[Value]) -> String {
    manifests.iter().map(|m| format!("---\n{}", serde_saphyr::to_string(m).unwrap())).collect()
}

fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

/// All that a cluster shares.
fn shared(manifests: &Manifests) -> String {
    let mut all = vec![value(&manifests.service_account)];
    all.extend(manifests.services.iter().map(value));
    all.extend(manifests.budgets.iter().map(value));
    all.push(value(&manifests.network_policy));
    all.extend(manifests.certificates.iter().map(value));
    yaml(&all)
}

fn node(manifests: &Manifests, id: u32) -> String {
    yaml(&[value(&manifests.stateful_sets[&NodeId(id)])])
}

#[track_caller]
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn built(input: &Dereferenced) -> Manifests {
    build(&valid(input))
}

#[test]
fn manifests_of_a_single_node() {
    let manifests = built(&single_input());
    snapshot("single", &shared(&manifests));
    snapshot("single-node-0", &node(&manifests, 0));
}

#[test]
fn manifests_of_three_combined_nodes() {
    let manifests = built(&combined_input());
    snapshot("combined", &shared(&manifests));
    snapshot("combined-node-1", &node(&manifests, 1));
}

#[test]
fn manifests_of_controllers_and_brokers_apart() {
    let manifests = built(&secured_input());
    snapshot("secured", &shared(&manifests));
    snapshot("secured-controller-0", &node(&manifests, 0));
    snapshot("secured-broker-100", &node(&manifests, 100));
}

#[test]
fn manifests_on_openshift_name_no_ids() {
    let manifests = built(&openshift_input());
    let text = node(&manifests, 0);
    snapshot("openshift-node-0", &text);
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(!text.contains(field), "{field}");
    }
}

/// [Pod Security Standards, "Restricted"](https://kubernetes.io/docs/concepts/security/pod-security-standards/).
#[test]
fn every_pod_meets_the_restricted_standard() {
    for input in [single_input(), combined_input(), secured_input(), openshift_input()] {
        for set in built(&input).stateful_sets.values() {
            let pod = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            let security = pod.security_context.as_ref().unwrap();
            assert_eq!(security.run_as_non_root, Some(true));
            assert_ne!(security.run_as_user, Some(0));
            assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
            assert_eq!(pod.automount_service_account_token, Some(false));
            assert!(pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none());
            for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
                let security = container.security_context.as_ref().unwrap();
                assert_eq!(security.allow_privilege_escalation, Some(false));
                assert_eq!(security.read_only_root_filesystem, Some(true));
                let capabilities = security.capabilities.as_ref().unwrap();
                assert_eq!(
                    (&capabilities.add, capabilities.drop.as_deref()),
                    (&None, Some(&["ALL".to_owned()][..]))
                );
            }
            for volume in pod.volumes.iter().flatten() {
                let allowed = volume.empty_dir.is_some()
                    || volume.secret.is_some()
                    || volume.downward_api.is_some();
                assert!(allowed, "{}", volume.name);
            }
        }
    }
}

#[test]
fn every_mount_has_its_volume() {
    for input in [single_input(), combined_input(), secured_input()] {
        for set in built(&input).stateful_sets.values() {
            let spec = set.spec.as_ref().unwrap();
            let pod = spec.template.spec.as_ref().unwrap();
            let claimed = spec.volume_claim_templates.iter().flatten();
            let claimed = claimed.filter_map(|claim| claim.metadata.name.as_deref());
            let volumes: Vec<&str> =
                pod.volumes.iter().flatten().map(|v| &*v.name).chain(claimed).collect();
            for mount in pod.containers[0].volume_mounts.iter().flatten() {
                assert!(volumes.contains(&&*mount.name), "{} of {volumes:?}", mount.name);
            }
        }
    }
}

#[test]
fn pod_that_two_budgets_select_cannot_be_evicted_so_there_is_none() {
    for input in [single_input(), combined_input(), secured_input()] {
        let manifests = built(&input);
        for set in manifests.stateful_sets.values() {
            let labels = labels(set);
            let selecting = manifests.budgets.iter().filter(|budget| {
                let selector = budget.spec.as_ref().unwrap().selector.as_ref().unwrap();
                let wanted = selector.match_labels.as_ref().unwrap();
                wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
            });
            assert_eq!(selecting.count(), 1, "{:?}", set.metadata.name);
        }
    }
}

fn labels(set: &StatefulSet) -> &std::collections::BTreeMap<String, String> {
    let template = &set.spec.as_ref().unwrap().template;
    template.metadata.as_ref().unwrap().labels.as_ref().unwrap()
}

#[test]
fn what_somebody_wrote_is_over_defaults_and_below_what_is_the_operators() {
    let mut validated = secured();
    let node = validated.nodes.get_mut(&NodeId(100)).unwrap();
    for (key, value) in [("auto.create.topics.enable", "true"), ("node.id", "7")] {
        node.inputs.config.insert(key.to_owned(), value.to_owned());
    }
    let properties = properties::of(&validated, NodeId(100), &validated.nodes[&NodeId(100)]);
    assert_eq!(
        (&*properties["auto.create.topics.enable"], &*properties["node.id"]),
        ("true", "100")
    );
}

#[test]
fn agent_reads_what_it_is_told() {
    let manifests = built(&secured_input());
    let set = &manifests.stateful_sets[&NodeId(100)];
    let template = &set.spec.as_ref().unwrap().template;
    let annotations = template.metadata.as_ref().unwrap().annotations.as_ref().unwrap();
    let config: klamm_agent::protocol::Config =
        serde_json::from_str(&annotations[setup::AGENT]).unwrap();
    assert_eq!(config.operator, "CN=klamm-operator,O=bank");
    assert_eq!(config.metadata_dir.to_str(), Some("/var/lib/kafka/data-0/log"));
    // It joins what Kafka then reads, from where it is mounted.
    let mounts = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0]
        .volume_mounts
        .clone();
    let mounts: Vec<String> = mounts.into_iter().flatten().map(|mount| mount.mount_path).collect();
    let properties = properties::read(&annotations[setup::PROPERTIES]);
    let names: Vec<&str> = config.listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(names, ["scram", "public"]);
    for listener in &config.listeners {
        let key = format!("listener.name.{}.ssl.keystore.location", listener.name);
        assert_eq!(listener.keystore.to_str(), Some(&*properties[&key]));
        for file in [&listener.certificate, &listener.key] {
            assert!(mounts.iter().any(|mount| file.parent().unwrap().to_str() == Some(mount)));
        }
    }
}
