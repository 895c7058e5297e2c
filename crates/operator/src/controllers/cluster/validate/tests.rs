//! A refusal each: where, what, and what to do.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use klamm_crd::{IssuerRef, KafkaClusterStatus, ListenerAuthentication, RolloutMode};
use serde_json::{Value, json};

use super::super::testing::{combined_input, secured_input, single_input, valid};
use super::super::{Dereferenced, Names, build, claims, setup};
use super::*;

/// The first refusal begins so; and every one has a remedy.
#[track_caller]
fn refused(input: &Dereferenced, begins: &str) {
    let invalid = validate(input).expect_err(begins);
    assert!(invalid.iter().all(|invalid| !invalid.remedy.is_empty() && !invalid.field.is_empty()));
    let text = invalid[0].to_string();
    assert!(text.starts_with(begins), "{text:?} does not begin with {begins:?}");
}

/// After a change to three combined nodes.
#[track_caller]
fn check(change: impl FnOnce(&mut Dereferenced), begins: &str) {
    let mut input = combined_input();
    change(&mut input);
    refused(&input, begins);
}

/// After a change to a cluster with every kind of listener.
#[track_caller]
fn check_secured(change: impl FnOnce(&mut Dereferenced), begins: &str) {
    let mut input = secured_input();
    change(&mut input);
    refused(&input, begins);
}

#[track_caller]
fn check_property(key: &str, value: Value, begins: &str) {
    check(|input| drop(input.cluster.spec.config.0.insert(key.into(), value)), begins);
}

/// As after a first look: StatefulSets, claims and ids are there.
fn lived(mut input: Dereferenced) -> Dereferenced {
    let validated = valid(&input);
    input.stateful_sets = build::build(&validated).stateful_sets.into_values().collect();
    for set in &input.stateful_sets {
        let templates = set.spec.as_ref().unwrap().volume_claim_templates.iter().flatten();
        input.claims.extend(templates.map(|template| {
            let mut claim = template.clone();
            let name = format!(
                "{}-{}-0",
                template.metadata.name.as_ref().unwrap(),
                set.metadata.name.as_ref().unwrap()
            );
            claim.metadata.name = Some(name);
            claim
        }));
    }
    for pool in &mut input.pools {
        let ids = validated.pools[pool.metadata.name.as_ref().unwrap()].stored();
        pool.status.get_or_insert_default().node_ids = ids;
    }
    input
}

#[test]
fn versions_that_cannot_be_run_are_refused() {
    let version = |version: &'static str| {
        move |input: &mut Dereferenced| input.cluster.spec.version = version.into()
    };
    check(version("4.1.1"), "spec.version is 4.1.1, and quorums that can change need 4.2.0: ");
    for text in ["4.3", "latest", "4.3.0-rc1", "4.3.0.1", "+4.3.0", ""] {
        check(version(text), "spec.version is \"");
    }
    check(|input| input.cluster.spec.image = Some(String::new()), "spec.image is no image");
}

#[test]
fn version_does_not_go_below_the_metadata() {
    let finalized = |input: &mut Dereferenced, version: &str| {
        let metadata_version = Some(version.to_owned());
        input.cluster.status =
            Some(KafkaClusterStatus { metadata_version, ..KafkaClusterStatus::default() });
    };
    check(
        |input| {
            input.cluster.spec.version = "4.2.0".into();
            finalized(input, "4.3-IV0");
        },
        "spec.version is 4.2.0, and the metadata is already of 4.3-IV0: Kafka cannot go back: set 4.3.0",
    );
    check(
        |input| {
            input.cluster.spec.metadata_version = Some("4.2-IV1".into());
            finalized(input, "4.3-IV0");
        },
        "spec.metadataVersion is 4.2-IV1, and the cluster is already at 4.3-IV0",
    );
    check(
        |input| input.cluster.spec.metadata_version = Some("4.4-IV0".into()),
        "spec.metadataVersion is 4.4-IV0, which Kafka 4.3 does not know",
    );
    check(
        |input| input.cluster.spec.metadata_version = Some("4.3".into()),
        "spec.metadataVersion is \"4.3\", which is no metadata version",
    );
    let mut input = combined_input();
    finalized(&mut input, "4.2-IV1");
    valid(&input);
}

#[test]
fn cluster_has_brokers_and_an_odd_number_of_controllers() {
    check(|input| input.pools.clear(), "metadata.name is orders, which no KafkaNodePool names");
    check(
        |input| input.pools[0].spec.replicas = 2,
        "the cluster has 2 nodes with role Controller: 2 survive the loss of no more controllers than 1 do: take one away",
    );
    check(|input| input.pools[0].spec.replicas = 0, "the cluster has no node with role Controller");
    check_secured(|input| drop(input.pools.remove(1)), "the cluster has no node with role Broker");
    check(|input| input.pools[0].spec.roles.clear(), "KafkaNodePool all: spec.roles is empty");
}

#[test]
fn roles_stay() {
    let mut input = lived(secured_input());
    input.pools[1].spec.roles.push(klamm_crd::Role::Controller);
    refused(&input, "KafkaNodePool brokers: spec.roles is not what node 100 was made with");
}

#[test]
fn id_of_two_pools_is_refused() {
    check_secured(
        |input| {
            for pool in &mut input.pools {
                pool.status.get_or_insert_default().node_ids = vec![4];
            }
        },
        "KafkaNodePool brokers: status.nodeIds has 4, and so has pool controllers",
    );
    check(
        |input| {
            let annotations = input.pools[0].metadata.annotations.get_or_insert_default();
            annotations.insert(REMOVE_NODE_IDS.into(), "4;7".into());
        },
        "KafkaNodePool all: metadata.annotations[\"klamm.dev/remove-node-ids\"] is \"4;7\"",
    );
}

#[test]
fn names_that_make_no_names_of_objects_are_refused() {
    check(|input| input.cluster.metadata.name = Some("a.b".into()), "metadata.name is \"a.b\"");
    check(|input| input.cluster.metadata.name = Some("1a".into()), "metadata.name is \"1a\"");
    check(
        |input| input.pools[0].metadata.name = Some("x.y".into()),
        "KafkaNodePool x.y: metadata.name is",
    );
    check(
        |input| input.cluster.metadata.name = Some("c".repeat(47)),
        "KafkaNodePool all: metadata.name makes a StatefulSet",
    );
}

#[test]
fn properties_of_the_operator_are_refused_with_what_to_use() {
    check_property(
        "node.id",
        json!(1),
        "spec.config[\"node.id\"] is the operator's: node ids are given out",
    );
    check_property(
        "process.roles",
        json!("broker"),
        "spec.config[\"process.roles\"] is the operator's: use spec.roles",
    );
    check_property(
        "advertised.listeners",
        json!("x"),
        "spec.config[\"advertised.listeners\"] is the operator's: use spec.listeners",
    );
    check_property(
        "log.dirs",
        json!("/x"),
        "spec.config[\"log.dirs\"] is the operator's: use spec.volumes",
    );
    check_property(
        "controller.quorum.voters",
        json!("x"),
        "spec.config[\"controller.quorum.voters\"] is the operator's",
    );
    check_property(
        "zookeeper.connect",
        json!("x"),
        "spec.config[\"zookeeper.connect\"] is the operator's: Kafka 4 knows no ZooKeeper",
    );
    check_property(
        "ssl.keystore.password",
        json!("x"),
        "spec.config[\"ssl.keystore.password\"] is the operator's: use tls",
    );
    check_property(
        "super.users",
        json!("x"),
        "spec.config[\"super.users\"] is the operator's: use spec.authorization",
    );
    check_property(
        "broker.rack",
        json!("x"),
        "spec.config[\"broker.rack\"] is the operator's: use spec.rack",
    );
    check_property(
        "listener.name.internal.max.connections",
        json!(1),
        "spec.config[\"listener.name.internal.max.connections\"] is the operator's",
    );
    check_property(
        "listener.name.none.max.connections",
        json!(1),
        "spec.config[\"listener.name.none.max.connections\"] is the operator's: there is no listener \"none\": there is plain",
    );
    check(
        |input| drop(input.pools[0].spec.config.0.insert("listeners".into(), json!("x"))),
        "KafkaNodePool all: spec.config[\"listeners\"] is the operator's",
    );
}

#[test]
fn values_that_are_none_are_refused() {
    for value in [json!(null), json!([1]), json!({"a": 1})] {
        check_property(
            "num.io.threads",
            value,
            "spec.config[\"num.io.threads\"] has no plain value",
        );
    }
    check_property("a b", json!(1), "spec.config[\"a b\"] is no name of a property");
    check_property("x", json!("x".repeat(200_000)), "spec.config has 200038 bytes");
}

#[test]
fn misspelt_properties_are_passed_on_with_a_warning() {
    let mut input = combined_input();
    input.cluster.spec.config.0.insert("num.io.thread".into(), json!(1));
    input.cluster.spec.config.0.insert("com.example.reporter.url".into(), json!("x"));
    let validated = valid(&input);
    assert_eq!(
        validated.warnings,
        ["spec.config[\"num.io.thread\"] is no property of Kafka: was num.io.threads meant?"]
    );
    assert_eq!(validated.nodes[&NodeId(0)].inputs.config["com.example.reporter.url"], "x");
}

#[test]
fn replication_needs_brokers() {
    check_property(
        "default.replication.factor",
        json!(4),
        "spec.config[\"default.replication.factor\"] is 4, and there are to be 3 brokers",
    );
    check_property(
        "offsets.topic.replication.factor",
        json!("5"),
        "spec.config[\"offsets.topic.replication.factor\"] is 5",
    );
    check_property(
        "transaction.state.log.min.isr",
        json!(4),
        "spec.config[\"transaction.state.log.min.isr\"] is 4, and transaction.state.log.replication.factor is 3",
    );
    check_property("min.insync.replicas", json!(4), "spec.config[\"min.insync.replicas\"] is 4");
    check(
        |input| {
            drop(
                input.pools[0].spec.config.0.insert("default.replication.factor".into(), json!(9)),
            );
        },
        "KafkaNodePool all: spec.config[\"default.replication.factor\"] is 9",
    );
}

#[test]
fn super_users_are_principals() {
    check_secured(
        |input| input.cluster.spec.authorization.as_mut().unwrap().super_users.push("root".into()),
        "spec.authorization.superUsers[1] is \"root\"",
    );
}

#[test]
fn listeners_are_told_apart() {
    check_secured(
        |input| input.cluster.spec.listeners[1].name = "plain".into(),
        "spec.listeners[1].name is plain, as is another one's",
    );
    check_secured(
        |input| input.cluster.spec.listeners[1].port = 9092,
        "spec.listeners[1].port is 9092, as is another one's",
    );
    check_secured(
        |input| input.cluster.spec.listeners[0].name = "internal".into(),
        "spec.listeners[0].name is internal, which the cluster itself has",
    );
    check_secured(
        |input| input.cluster.spec.listeners[0].name = "Plain".into(),
        "spec.listeners[0].name is \"Plain\"",
    );
    check_secured(
        |input| input.cluster.spec.listeners[0].port = 9099,
        "spec.listeners[0].port is 9099, which the cluster itself uses",
    );
    check_secured(
        |input| input.cluster.spec.listeners[0].port = 80,
        "spec.listeners[0].port is 80",
    );
}

#[test]
fn listeners_have_what_their_encryption_needs() {
    check_secured(
        |input| input.cluster.spec.listeners[0].authentication = Some(ListenerAuthentication::Tls),
        "spec.listeners[0].authentication is Tls without tls",
    );
    check_secured(
        |input| input.secrets.clear(),
        "spec.listeners[2].tls.secret.name is \"own\", and there is no such Secret",
    );
    check_secured(
        |input| assert!(input.secrets.get_mut("own").unwrap().remove("tls.key")),
        "spec.listeners[2].tls.secret.name is \"own\", which has no tls.key",
    );
    check_secured(
        |input| {
            let tls = input.cluster.spec.listeners[2].tls.as_mut().unwrap();
            tls.issuer = Some(IssuerRef { name: "x".into(), ..IssuerRef::default() });
        },
        "spec.listeners[2].tls has both secret and issuer",
    );
    let names = Names { cluster: "bank".into(), namespace: "ns".into() };
    let named = Dereferenced::secrets_named(&names, &secured_input().cluster);
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["bank-listener-public", "own"]);
}

#[test]
fn graces_outlast_no_authority() {
    check(
        |input| input.cluster.spec.certificates.trust_grace_days = Some(30),
        "spec.certificates cannot be meant: a new authority that is only trusted for 30 d",
    );
    let mut input = combined_input();
    input.cluster.spec.certificates.trust_grace_days = Some(0);
    input.cluster.spec.certificates.user_grace_days = Some(0);
    valid(&input);
}

#[test]
fn disks_do_not_shrink() {
    let mut input = lived(combined_input());
    input.pools[0].spec.volumes[0].size = Quantity("9999Mi".into());
    refused(
        &input,
        "KafkaNodePool all: spec.volumes[0].size is 9999Mi, and node 0 has 10Gi: disks cannot shrink",
    );
    // The same in other words.
    input.pools[0].spec.volumes[0].size = Quantity("10240Mi".into());
    valid(&input);
}

#[test]
fn disk_that_somebody_else_made_to_grow_is_left_alone() {
    let mut input = lived(combined_input());
    *storage(&mut input.claims[0]) = Quantity("20Gi".into());
    assert_eq!(claims::growths(&valid(&input), &input.claims), []);
    // A declaration that catches up with it needs only to be remembered; one that goes beyond makes it grow.
    for (size, grows) in [("15Gi", [false, true, true]), ("30Gi", [true, true, true])] {
        input.pools[0].spec.volumes[0].size = Quantity(size.into());
        let growths = claims::growths(&valid(&input), &input.claims);
        assert_eq!(growths.iter().map(|growth| growth.grows).collect::<Vec<_>>(), grows);
    }
}

fn storage(claim: &mut PersistentVolumeClaim) -> &mut Quantity {
    let resources = claim.spec.as_mut().unwrap().resources.as_mut().unwrap();
    resources.requests.as_mut().unwrap().get_mut("storage").unwrap()
}

#[test]
fn disks_stay_where_they_are() {
    let check = |change: fn(&mut Vec<klamm_crd::Volume>), begins: &str| {
        let mut input = lived(combined_input());
        change(&mut input.pools[0].spec.volumes);
        refused(&input, begins);
    };
    check(
        |volumes| volumes[0].storage_class = Some("slow".into()),
        "KafkaNodePool all: spec.volumes[0].storageClass is slow, and node 0 has a disk of fast",
    );
    check(
        |volumes| drop(volumes.pop()),
        "KafkaNodePool all: spec.volumes has no volume 1 any more, and node 0 has data on it (data-1-orders-all-0-0)",
    );
    check(Vec::clear, "KafkaNodePool all: spec.volumes has no volume 0 any more");
    check(
        |volumes| volumes.swap(0, 1),
        "KafkaNodePool all: spec.volumes[0] is volume 1, and node 0 has its metadata on volume 0",
    );
    check(
        |volumes| volumes[1].id = 0,
        "KafkaNodePool all: spec.volumes[1].id is 0, as is another one's",
    );
    check(
        |volumes| volumes[1].size = Quantity("big".into()),
        "KafkaNodePool all: spec.volumes[1].size is \"big\"",
    );
}

#[test]
fn heap_fits_into_the_memory() {
    let jvm = |heap: &'static str| {
        move |input: &mut Dereferenced| input.pools[0].spec.jvm.heap = Some(heap.into())
    };
    check(jvm("4g"), "KafkaNodePool all: spec.jvm.heap is 4g, and the memory limit is 4Gi");
    check(jvm("4"), "KafkaNodePool all: spec.jvm.heap is \"4\"");
    check(jvm("1m"), "KafkaNodePool all: spec.jvm.heap is \"1m\"");
    for option in ["-Xmx1g", "-Xms1g"] {
        check(
            |input| input.pools[0].spec.jvm.options = vec![option.into()],
            &format!("KafkaNodePool all: spec.jvm.options[0] is {option}: set spec.jvm.heap"),
        );
    }
    check(
        |input| input.pools[0].spec.jvm.options = vec!["-Da=b c".into()],
        "KafkaNodePool all: spec.jvm.options[0] is",
    );
}

#[test]
fn heap_is_half_of_the_memory_up_to_six_gibibytes() {
    let heap = |memory: Option<&str>| {
        let mut input = single_input();
        input.pools[0].spec.resources = memory
            .map(|memory| serde_json::from_value(json!({"limits": {"memory": memory}})).unwrap());
        valid(&input).nodes[&NodeId(0)].heap_mib
    };
    assert_eq!([None, Some("3Gi"), Some("64Gi")].map(heap), [512, 1536, 6144]);
}

#[test]
fn windows_are_times_of_the_week() {
    check(
        |input| input.cluster.spec.rollout.mode = RolloutMode::Window,
        "spec.rollout.windows is empty",
    );
    for from in ["24:00", "1:00", "01:60", "0100", "+1:00"] {
        check_secured(
            |input| input.cluster.spec.rollout.windows[0].from = from.into(),
            "spec.rollout.windows[0].from is",
        );
    }
    check_secured(
        |input| input.cluster.spec.rollout.windows[0].minutes = 0,
        "spec.rollout.windows[0].minutes is 0",
    );
    let policy = valid(&secured_input()).policy;
    let crate::roller::Rollout::Window(windows) = policy.rollout else { panic!("{policy:?}") };
    assert_eq!((windows[0].from_minute, windows[0].length_minutes), (150, 120));
}

#[test]
fn labels_and_annotations_of_the_operator_are_refused() {
    let label = |key: &str| {
        let mut input = combined_input();
        input.pools[0].spec.template.labels.insert(key.into(), "x".into());
        refused(
            &input,
            &format!("KafkaNodePool all: spec.template.labels[{key:?}] is the operator's"),
        );
    };
    label("klamm.dev/broker");
    label("app.kubernetes.io/name");
    check(
        |input| {
            drop(
                input.pools[0].spec.template.annotations.insert(setup::REVISION.into(), "x".into()),
            );
        },
        "KafkaNodePool all: spec.template.annotations[\"klamm.dev/revision\"] is the operator's",
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut input = combined_input();
    input.cluster.spec.version = "3.9.0".into();
    input.pools[0].spec.jvm.heap = Some("9g".into());
    assert_eq!(validate(&input).unwrap_err().len(), 2);
}

#[test]
fn pool_that_is_gone_has_its_nodes_leave_and_their_ids_given_to_nobody() {
    let mut input = lived(secured_input());
    input.pools[1].metadata.name = Some("others".into());
    input.pools[1].status = None;
    let validated = valid(&input);
    assert_eq!(validated.pools["others"].stored(), [103, 104, 105]);
}

#[test]
fn nodes_of_a_smaller_cluster_are_told_of() {
    let mut input = lived(single_input());
    input.pools[0].spec.replicas = 3;
    let warnings = valid(&input).warnings;
    assert_eq!(warnings.len(), 7);
    assert!(
        warnings[0].starts_with("with 3 brokers default.replication.factor would be 3"),
        "{warnings:?}"
    );
}
