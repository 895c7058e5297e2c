//! Names that a new cluster needs are taken by what belongs to others: a condition says by what, nothing of it is touched, and the cluster
//! comes up by itself once the names are free or were handed over.

use serde_json::{Value, json};

use super::{Example, THREE, told, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::operator::Operator;
use crate::stage::Stage;
use crate::wait::PATIENCE;

const CLUSTER: &str = "kafkacluster/main";
const ACCOUNT: &str = "serviceaccount/main-kafka";
const AUTHORITY: &str = "secret/main-ca";
/// Who is not the cluster's.
const NOT_OURS: [&str; 4] = ["service/main-bootstrap", "service/main-nodes", ACCOUNT, AUTHORITY];

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let operator = Operator::install(stage)?;
    let namespace = stage.namespace("strangers")?;
    let example = Example { namespace, operator, cluster: "main" };
    example.namespace.apply(&strangers())?;
    let before = versions(&example, &NOT_OURS)?;
    example.namespace.apply_file(THREE)?;
    refused(&example, &before).map_err(|end| match end {
        End::Failed(why) => End::Failed(example.explain(&why)),
        skipped @ End::Skipped(_) => skipped,
    })?;
    let since = now();
    example.namespace.kubectl(&["delete", AUTHORITY])?;
    example.ready()?;
    stage.number("every node Ready after the last stranger was gone", since_ms(since), "ms");
    let account = example.namespace.json(ACCOUNT)?["metadata"]["uid"].take();
    End::unless(before[2][1] == account, || format!("{} became {account}", before[2]))?;
    let load = example.load(stage)?;
    declared(&example)?;
    verdict(stage, load)
}

/// Somebody's Service, ServiceAccount and Secret, and a Service of another cluster.
fn strangers() -> String {
    let service = |name: &str, labels: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "labels": labels },
            "spec": { "selector": { "app": "shop" }, "ports": [{ "port": 80 }] },
        })
    };
    let other = json!({
        "klamm.dev/cluster": "other", "app.kubernetes.io/managed-by": "klamm-operator",
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "main-ca" },
        "stringData": { "ca.crt": "somebody's" },
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "main-kafka" },
    });
    let all = [
        service("main-bootstrap", json!({ "app": "shop" })),
        service("main-nodes", other),
        account,
        secret,
    ];
    all.map(|object| object.to_string()).join("\n---\n")
}

/// Each is named with what is to be done about it, and then gone or handed over, but for the Secret. Until then nothing is made.
fn refused(example: &Example, before: &[Value]) -> Outcome {
    let here = &example.namespace;
    let words = [
        "Service main-bootstrap is there already and is not this cluster's: delete it",
        "Service main-nodes is there already and belongs to KafkaCluster other",
        "ServiceAccount main-kafka is there already and is not this cluster's",
        "hand it over with the labels klamm.dev/cluster=main and app.kubernetes.io/managed-by=klamm-operator",
    ];
    told(here, CLUSTER, "NameTaken", &words)?;
    let after = versions(example, &NOT_OURS)?;
    End::unless(before == after, || format!("touched: {before:?} became {after:?}"))?;
    nothing_made(example)?;
    here.kubectl(&["delete", "service/main-bootstrap", "service/main-nodes"])?;
    let (cluster, by) = ("klamm.dev/cluster=main", "app.kubernetes.io/managed-by=klamm-operator");
    here.kubectl(&["label", ACCOUNT, cluster, by])?;
    told(here, CLUSTER, "NameTaken", &["Secret main-ca is there already"])?;
    let after = versions(example, &[AUTHORITY])?;
    End::unless(before[3..] == after, || format!("touched: {before:?} became {after:?}"))?;
    nothing_made(example)
}

fn nothing_made(example: &Example) -> Outcome {
    let kinds = "statefulsets,pods,persistentvolumeclaims,poddisruptionbudgets";
    let made = example.namespace.kubectl(&["get", kinds, "-o", "name"])?;
    End::unless(made.is_empty(), || format!("made beside strangers: {made}"))
}

/// Name, uid and version of each.
fn versions(example: &Example, all: &[&str]) -> Result<Vec<Value>, String> {
    let version = |what: &&str| {
        let metadata = example.namespace.json(what)?["metadata"].take();
        Ok(json!([what, metadata["uid"], metadata["resourceVersion"]]))
    };
    all.iter().map(version).collect()
}

/// The same for what a gateway and a user need.
fn declared(example: &Example) -> Outcome {
    let here = &example.namespace;
    let taken = [
        ("ConfigMap", "edge-gateway", "gateway", "NameTaken"),
        ("Secret", "app-kafka", "kafkauser", "SecretTaken"),
    ];
    let resources = [
        ("Gateway", "edge", json!({ "listener": "plain", "replicas": 1 })),
        ("KafkaUser", "app", json!({ "authentication": "ScramSha512" })),
    ];
    for ((kind, place, resource, reason), (of, name, mut spec)) in taken.into_iter().zip(resources)
    {
        let what = format!("{kind}/{place}");
        here.apply(
            &json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": place } }).to_string(),
        )?;
        let before = versions(example, &[&what])?;
        spec["cluster"] = json!({ "name": "main" });
        let (version, metadata) = ("klamm.dev/v1alpha1", json!({ "name": name }));
        let object =
            json!({ "apiVersion": version, "kind": of, "metadata": metadata, "spec": spec });
        here.apply(&object.to_string())?;
        let resource = format!("{resource}/{name}");
        told(here, &resource, reason, &[place])?;
        let after = versions(example, &[&what])?;
        End::unless(before == after, || format!("touched: {before:?} became {after:?}"))?;
        here.kubectl(&["delete", &what])?;
        let ready = here.wait(&resource, "condition=Ready", PATIENCE);
        ready.map_err(|error| example.explain(&error))?;
    }
    Ok(())
}
