//! What restarts a node, and what does not.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use super::super::testing::{combined_input, secured_input, single_input, valid};
use super::super::{Dereferenced, build};
use super::*;

const NODE: NodeId = NodeId(0);

/// The StatefulSet of node 0, after a change.
fn built(mut input: Dereferenced, change: impl FnOnce(&mut Dereferenced)) -> StatefulSet {
    change(&mut input);
    build(&valid(&input)).stateful_sets.remove(&NODE).unwrap()
}

/// As another release of the operator would build it.
fn newer(mut set: StatefulSet) -> StatefulSet {
    let template = &mut set.spec.as_mut().unwrap().template;
    template.spec.as_mut().unwrap().containers[0].command = Some(vec!["/opt/klamm/other".into()]);
    let metadata = template.metadata.as_mut().unwrap();
    let annotations = metadata.annotations.as_mut().unwrap();
    annotations.insert(REVISION.into(), "another".into());
    annotations.insert(PROPERTIES.into(), "a.new.default=1\n".into());
    set
}

#[test]
fn newer_operator_restarts_nothing_until_somebody_changes_something() {
    for input in [single_input(), combined_input(), secured_input()] {
        let live = built(input.clone(), |_| ());
        let verdict = keep_or_replace(Some(&live), newer(built(input.clone(), |_| ())));
        assert_eq!(verdict, Verdict::Keep);
        assert_eq!(wanted(verdict.result(Some(&live)).unwrap(), "c"), wanted(&live, "c"));

        let changed = newer(built(input, |input| input.cluster.spec.image = Some("x".into())));
        assert_eq!(
            keep_or_replace(Some(&live), changed.clone()),
            Verdict::Apply(recorded(Some(&live), changed))
        );
    }
}

/// A fingerprint that changes with a new release would restart every cluster. If this fails, a field of
/// [`Inputs`](super::super::Inputs) was added, renamed or reordered: keep old ones as they were serialized.
#[test]
fn inputs_are_named_as_by_every_release_before() {
    let fingerprint =
        |input, id: u32| valid(&input).nodes[&NodeId(id)].inputs.fingerprint().to_string();
    assert_eq!(fingerprint(single_input(), 0), "1f502391a0244c94");
    assert_eq!(fingerprint(combined_input(), 1), "d76f0c32c7fec316");
    assert_eq!(fingerprint(secured_input(), 100), "39d34aa1ba1ac185");
}

#[test]
fn other_nodes_and_other_machines_do_not_touch_a_node() {
    let live = built(secured_input(), |_| ());
    let keeps = |change: fn(&mut Dereferenced)| {
        assert_eq!(keep_or_replace(Some(&live), built(secured_input(), change)), Verdict::Keep);
    };
    keeps(|input| input.pools[0].spec.replicas = 5);
    keeps(|input| input.pools[1].spec.replicas = 9);
    keeps(|input| input.pools[1].spec.replicas = 1);
    keeps(|input| input.pools[1].spec.config.0.extend([("num.io.threads".into(), json!(9))]));
    keeps(|input| input.agent_image = "klamm-operator:2".into());
    keeps(|input| input.openshift = true);
    keeps(|input| input.pools[0].spec.volumes[0].size = Quantity("6Gi".into()));
    keeps(|input| input.cluster.spec.listeners.truncate(1));
}

/// What the roller sees of a change: the parts of the setup that differ.
#[track_caller]
fn parts(change: impl FnOnce(&mut Dereferenced), expected: &[&str]) {
    let before = built(combined_input(), |_| ());
    let after = built(combined_input(), change);
    let verdict = keep_or_replace(Some(&before), after);
    let (before, after) =
        (wanted(&before, "").setup, wanted(verdict.result(Some(&before)).unwrap(), "").setup);
    let mut differ: Vec<&str> = Vec::new();
    for (part, same) in [
        ("revision", before.revision == after.revision),
        ("storage", before.storage == after.storage),
        ("resources", before.resources == after.resources),
        ("restart", before.restart == after.restart),
    ] {
        differ.extend((!same).then_some(part));
    }
    let keys = after.config.iter().filter(|(key, value)| before.config.get(*key) != Some(value));
    differ.extend(keys.map(|(key, _)| &**key));
    assert_eq!(differ, expected);
}

#[test]
fn each_change_is_a_reason_of_its_own() {
    parts(|_| (), &[]);
    parts(|input| input.cluster.spec.image = Some("x".into()), &["revision"]);
    parts(|input| input.cluster.spec.version = "4.3.1".into(), &["revision"]);
    // Another operator's agent comes along with the next restart and is no reason for one.
    parts(
        |input| {
            input.agent_image = "klamm-operator:2".into();
            input.cluster.spec.config.0.extend([("log.cleaner.threads".into(), json!(2))]);
        },
        &["log.cleaner.threads"],
    );
    parts(|input| input.pools[0].spec.jvm.heap = Some("1g".into()), &["resources"]);
    parts(|input| input.pools[0].spec.jvm.options.clear(), &["revision"]);
    parts(|input| input.pools[0].spec.resources = None, &["resources"]);
    parts(
        |input| drop(input.cluster.spec.config.0.insert("log.roll.ms".into(), json!(1))),
        &["log.roll.ms"],
    );
    parts(
        |input| {
            let volume =
                klamm_crd::Volume { id: 2, size: Quantity("1Gi".into()), storage_class: None };
            input.pools[0].spec.volumes.push(volume);
        },
        &["storage", "log.dirs"],
    );
    let annotate = |annotations: &mut Option<BTreeMap<String, String>>| {
        annotations.get_or_insert_default().insert(RESTART.into(), "now".into());
    };
    parts(|input| annotate(&mut input.cluster.metadata.annotations), &["restart"]);
    parts(|input| annotate(&mut input.pools[0].metadata.annotations), &["restart"]);
}

#[test]
fn another_volume_needs_another_stateful_set_and_another_size_does_not() {
    let live = built(combined_input(), |_| ());
    let more = built(combined_input(), |input| {
        let volume = klamm_crd::Volume { id: 2, size: Quantity("1Gi".into()), storage_class: None };
        input.pools[0].spec.volumes.push(volume);
    });
    assert_eq!(
        keep_or_replace(Some(&live), more.clone()),
        Verdict::Recreate(recorded(Some(&live), more))
    );
    let larger = built(combined_input(), |input| {
        input.pools[0].spec.volumes[0].size = Quantity("20Gi".into());
        input.cluster.spec.image = Some("x".into());
    });
    let Verdict::Apply(set) = keep_or_replace(Some(&live), larger) else { panic!("not applied") };
    let templates = |set: &StatefulSet| set.spec.as_ref().unwrap().volume_claim_templates.clone();
    assert_eq!(templates(&set), templates(&live));
}

#[test]
fn pod_tells_what_it_was_started_with() {
    let set = built(secured_input(), |_| ());
    let template = set.spec.clone().unwrap().template;
    let pod = Pod { metadata: template.metadata.unwrap(), ..Pod::default() };
    assert_eq!(running(&pod), wanted(&set, "").setup);
    assert_eq!(wanted(&set, "cert").setup.certificate, "cert");
    assert_eq!(running(&pod).config["node.id"], "0");
    assert_eq!(running(&Pod::default()), Setup::default());
}

#[test]
fn nodes_that_leave_are_wanted_as_they_are() {
    let live = build(&valid(&secured_input())).stateful_sets;
    let mut input = secured_input();
    input.pools[1].spec.replicas = 2;
    input.pools[1].status.get_or_insert_default().node_ids = vec![100, 101, 102];
    input.stateful_sets = live.values().cloned().collect();
    let validated = valid(&input);
    assert_eq!(validated.pools["brokers"].leaving, [102].into());
    let verdicts = build(&validated).stateful_sets.into_iter();
    let verdicts: BTreeMap<NodeId, Verdict> =
        verdicts.map(|(id, set)| (id, keep_or_replace(live.get(&id), set))).collect();
    let desired = desired(&validated, &verdicts, &by_id(input.stateful_sets), &BTreeMap::new());
    assert_eq!(desired.leaving.keys().copied().collect::<Vec<_>>(), [NodeId(102)]);
    assert_eq!(desired.leaving[&NodeId(102)], wanted(&live[&NodeId(102)], ""));
    assert_eq!(desired.nodes.len(), 5);
}
