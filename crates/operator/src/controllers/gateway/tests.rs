//! What a gateway is refused for, and what it is made of.

use std::path::Path;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::{Conditions as _, Gateway, KafkaCluster, KafkaUser};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::build::{Built, Surroundings, build};
use super::dereference::Found;
use super::status::{Seen, status};
use super::validate::{Problem, Validated, validate};

fn read<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("a resource")
}

#[expect(clippy::needless_pass_by_value, reason = "made in place by json!")]
fn gateway(spec: Value) -> Gateway {
    let mut whole = json!({ "cluster": { "name": "main" } });
    let fields = spec.as_object().expect("fields").clone();
    whole.as_object_mut().expect("fields").extend(fields);
    read(json!({
        "apiVersion": "klamm.dev/v1alpha1",
        "kind": "Gateway",
        "metadata": { "name": "edge", "namespace": "shop", "uid": "u-1", "generation": 3 },
        "spec": whole,
    }))
}

#[expect(clippy::needless_pass_by_value, reason = "made in place by json!")]
fn cluster(namespace: &str, spec: Value) -> KafkaCluster {
    let mut whole = json!({ "version": "4.3.0" });
    let fields = spec.as_object().expect("fields").clone();
    whole.as_object_mut().expect("fields").extend(fields);
    read(json!({
        "apiVersion": "klamm.dev/v1alpha1",
        "kind": "KafkaCluster",
        "metadata": { "name": "main", "namespace": namespace },
        "spec": whole,
    }))
}

fn user(authentication: &str) -> KafkaUser {
    read(json!({
        "apiVersion": "klamm.dev/v1alpha1",
        "kind": "KafkaUser",
        "metadata": { "name": "edge", "namespace": "shop" },
        "spec": { "cluster": { "name": "main" }, "authentication": authentication },
        "status": { "secret": "edge-kafka" },
    }))
}

fn secret(entries: &[(&str, &str)]) -> Secret {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let data = entries.iter().map(|(name, text)| ((*name).to_owned(), bytes(text)));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    secret.metadata.resource_version = Some("7".into());
    secret
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/// A cluster with one listener of each sort, and everything that is needed for them.
fn found(authentication: &str) -> Found {
    let listeners = json!({ "listeners": [
        { "name": "plain", "port": 9092 },
        { "name": "scram", "port": 9093, "tls": {}, "authentication": "ScramSha512" },
        { "name": "mtls", "port": 9094, "tls": {}, "authentication": "Tls" },
        { "name": "own", "port": 9095, "tls": { "secret": { "name": "own-tls" } } },
    ] });
    Found {
        cluster: Some(cluster("shop", listeners)),
        user: (!authentication.is_empty()).then(|| user(authentication)),
        login: Some(secret(&[("password", "p"), ("user.crt", PEM), ("user.key", "k")])),
        trust: Some(secret(&[("ca.crt", PEM)])),
        ..Found::default()
    }
}

#[track_caller]
fn refused(gateway: &Gateway, found: &Found) -> (&'static str, String) {
    let Problem { reason, message } = validate(gateway, found).expect_err("refused");
    (reason, message)
}

#[track_caller]
fn taken(gateway: &Gateway, found: &Found) -> Validated {
    validate(gateway, found).expect("taken")
}

#[test]
fn listener_follows_from_the_user() {
    let port = |gateway: &Gateway, found: &Found| taken(gateway, found).port;
    assert_eq!(port(&gateway(json!({})), &found("")), 9092);
    assert_eq!(port(&gateway(json!({ "user": "edge" })), &found("ScramSha512")), 9093);
    assert_eq!(port(&gateway(json!({ "user": "edge" })), &found("Tls")), 9094);
    assert_eq!(port(&gateway(json!({ "listener": "own" })), &found("")), 9095);
    let bare = Found { cluster: Some(cluster("shop", json!({}))), ..Found::default() };
    assert_eq!(taken(&gateway(json!({})), &bare).bootstrap, "main-bootstrap.shop.svc:9092");
}

#[test]
fn cluster_or_listener_that_is_missing_is_named() {
    let (reason, message) = refused(&gateway(json!({})), &Found::default());
    assert_eq!(reason, "ClusterNotFound");
    assert!(message.contains("shop/main"), "{message}");
    let (reason, message) = refused(&gateway(json!({ "listener": "x" })), &found(""));
    assert_eq!(reason, "ListenerNotFound");
    assert!(message.contains("plain, scram, mtls, own"), "{message}");
    let only = json!({ "listeners": [
        { "name": "scram", "port": 9093, "authentication": "ScramSha512" }
    ] });
    let only = Found { cluster: Some(cluster("shop", only)), ..Found::default() };
    let (reason, message) = refused(&gateway(json!({})), &only);
    assert!(reason == "ListenerNotFound" && message.contains("spec.user"), "{message}");
}

#[test]
fn cluster_of_another_namespace_needs_a_claim() {
    let elsewhere = gateway(json!({ "cluster": { "name": "main", "namespace": "kafka" } }));
    let with = |claims: Value| Found {
        cluster: Some(cluster("kafka", json!({ "claims": claims }))),
        namespace_labels: [("team".to_owned(), "sales".to_owned())].into(),
        ..Found::default()
    };
    let labels = |team: &str| json!([{ "namespaceSelector": { "matchLabels": { "team": team } } }]);
    for claims in [json!([]), json!([{ "namespaces": ["other"] }]), labels("ops")] {
        assert_eq!(refused(&elsewhere, &with(claims)).0, "ClusterNotAllowed");
    }
    for claims in [json!([{ "namespaces": ["shop"] }]), labels("sales")] {
        let validated = taken(&elsewhere, &with(claims));
        assert_eq!(validated.bootstrap, "main-bootstrap.kafka.svc:9092");
    }
}

#[test]
fn user_has_to_be_there_and_to_fit() {
    let named = gateway(json!({ "user": "edge" }));
    assert_eq!(refused(&named, &found("")).0, "UserNotFound");
    let plain = gateway(json!({ "user": "edge", "listener": "plain" }));
    assert_eq!(refused(&plain, &found("Tls")).0, "UserMismatch");
    let nobody = gateway(json!({ "listener": "scram" }));
    assert_eq!(refused(&nobody, &found("")).0, "UserMissing");

    let mut of_another = found("Tls");
    of_another.user.as_mut().unwrap().spec.cluster.name = "other".into();
    assert_eq!(refused(&named, &of_another).0, "UserMismatch");
    let mut without_secret = found("Tls");
    without_secret.user.as_mut().unwrap().status = None;
    assert_eq!(refused(&named, &without_secret).0, "UserNotReady");
    let incomplete = Found { login: Some(secret(&[("user.crt", PEM)])), ..found("Tls") };
    let (reason, message) = refused(&named, &incomplete);
    assert!(reason == "UserNotReady" && message.contains("without user.key"), "{message}");
}

#[test]
fn authority_has_to_be_there_and_to_be_one() {
    let own = gateway(json!({ "listener": "own" }));
    for trust in [None, Some(secret(&[])), Some(secret(&[("ca.crt", "no certificate")]))] {
        let (reason, message) = refused(&own, &Found { trust, ..found("") });
        assert!(reason == "TrustMissing" && message.contains("shop/own-tls"), "{message}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let (reason, message) = refused(&gateway(json!({ "config": "kafka = 'x:1'" })), &found(""));
    assert!(reason == "InvalidConfig" && message.contains("spec.config: kafka"), "{message}");
}

const ALL: Surroundings<'_> = Surroundings { image: "klamm:1", openshift: false };

/// The objects as YAML beside the sources; `KLAMM_SNAPSHOTS=write` writes them anew, to be looked at before they are committed.
#[track_caller]
fn snapshot(name: &str, built: &Built) {
    let mut text = String::new();
    let mut add = |object: Value| {
        text += "---\n";
        text += &serde_saphyr::to_string(&object).expect("YAML");
    };
    fn json(object: &impl Serialize) -> Value {
        serde_json::to_value(object).expect("JSON")
    }
    built.service_account.iter().for_each(|account| add(json(account)));
    add(json(&built.config));
    add(json(&built.network_policy));
    add(json(&built.budget));
    add(json(&built.service));
    add(json(&built.deployment));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/controllers/gateway/snapshots");
    let path = folder.join(format!("{name}.yaml"));
    if std::env::var_os("KLAMM_SNAPSHOTS").is_some_and(|word| word == "write") {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&path, &text).expect("written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "{} is not what is built; KLAMM_SNAPSHOTS=write", path.display());
}

#[test]
fn plain_gateway_is_as_in_its_snapshot() {
    let gateway = gateway(json!({}));
    snapshot("plain", &build(&gateway, &taken(&gateway, &found("")), &ALL));
}

#[test]
fn gateway_with_everything_is_as_in_its_snapshot() {
    let gateway = gateway(json!({
        "user": "edge",
        "replicas": 5,
        "image": "example.org/klamm:2",
        "config": "drain-ms = 40000\nkafka-property = ['linger.ms=5']\n\
                   [[routes]]\npattern = 'telemetry/{device}/#'\ntopic = 'telemetry'\nkey = '{device}'\n",
        "service": { "type": "LoadBalancer", "mqttPort": 8883, "annotations": { "a": "b" } },
        "resources": { "limits": { "memory": "1Gi" } },
        "template": {
            "labels": { "klamm.dev/gateway": "not this", "team": "x" },
            "annotations": { "note": "y" },
            "nodeSelector": { "disk": "none" },
            "tolerations": [{ "key": "edge", "operator": "Exists" }],
            "priorityClassName": "high",
            "serviceAccountName": "own",
            "imagePullSecrets": [{ "name": "pull" }],
        },
    }));
    snapshot("everything", &build(&gateway, &taken(&gateway, &found("ScramSha512")), &ALL));
}

#[test]
fn gateway_with_a_certificate_on_openshift_is_as_in_its_snapshot() {
    let gateway = gateway(json!({ "user": "edge" }));
    let openshift = Surroundings { openshift: true, ..ALL };
    snapshot("openshift", &build(&gateway, &taken(&gateway, &found("Tls")), &openshift));
}

fn revision(built: &Built) -> String {
    let template = &built.deployment.spec.as_ref().unwrap().template;
    let annotations = template.metadata.as_ref().unwrap().annotations.as_ref().unwrap();
    annotations["klamm.dev/settings"].clone()
}

#[test]
fn pods_are_replaced_when_what_they_read_changes_and_only_then() {
    let gateway = gateway(json!({ "user": "edge" }));
    let of = |found: &Found| revision(&build(&gateway, &taken(&gateway, found), &ALL));
    let before = of(&found("ScramSha512"));
    assert_eq!(before, of(&found("ScramSha512")));
    let mut changed = found("ScramSha512");
    changed.login.as_mut().unwrap().metadata.resource_version = Some("8".into());
    assert_ne!(before, of(&changed));
    let renewed = secret(&[("ca.crt", &PEM.replace("AAAA", "BBBB"))]);
    assert_ne!(before, of(&Found { trust: Some(renewed), ..found("ScramSha512") }));
}

fn deployment(ready: i32, updated: i32) -> Deployment {
    read(json!({
        "metadata": { "generation": 2 },
        "spec": { "replicas": 2, "selector": {}, "template": {} },
        "status": {
            "observedGeneration": 2, "replicas": 2, "readyReplicas": ready, "updatedReplicas": updated
        },
    }))
}

fn told(seen: &Result<Seen, Problem>) -> (String, String, String) {
    let now = Time(Timestamp::UNIX_EPOCH);
    let status = status(&gateway(json!({})), seen, None, now);
    let ready = status.conditions.of("Ready").unwrap().clone();
    (ready.status, ready.reason, ready.message)
}

#[test]
fn condition_says_what_the_pods_do() {
    let told = |ready, updated, trouble: Option<&str>| {
        let trouble = trouble.map(str::to_owned);
        let deployment = Some(deployment(ready, updated));
        let (status, reason, _) = told(&Ok(Seen { deployment, trouble, ..Seen::default() }));
        format!("{status} {reason}")
    };
    assert_eq!(told(2, 2, None), "True Ready");
    assert_eq!(told(2, 1, None), "True Updating");
    assert_eq!(told(2, 1, Some("pod x: no such image")), "True Updating");
    assert_eq!(told(1, 2, None), "False Starting");
    assert_eq!(told(0, 2, Some("pod x: no such image")), "False PodFails");
}

#[test]
fn last_words_of_a_pod_are_told() {
    let pod: Pod = read(json!({
        "metadata": { "name": "edge-1" },
        "status": { "containerStatuses": [{
            "name": "klamm", "image": "", "imageID": "", "ready": false, "restartCount": 3,
            "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } },
            "lastState": { "terminated": {
                "exitCode": 1, "message": "klamm: Kafka property 'ssl.ca.location' needs TLS"
            } },
        }] },
    }));
    let trouble = super::status::trouble(&pod);
    assert_eq!(
        trouble.as_deref(),
        Some("pod edge-1: klamm: Kafka property 'ssl.ca.location' needs TLS")
    );
}

#[test]
fn address_is_where_clients_are() {
    let service: Service = read(json!({
        "spec": { "ports": [{ "port": 1883, "nodePort": 31883 }] },
        "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } },
    }));
    let of = |kind: &str| {
        let gateway = gateway(json!({ "service": { "type": kind } }));
        let seen = Ok(Seen { service: Some(service.clone()), ..Seen::default() });
        status(&gateway, &seen, None, Time(Timestamp::UNIX_EPOCH)).mqtt.unwrap()
    };
    assert_eq!(of("ClusterIP"), "edge-gateway.shop.svc:1883");
    assert_eq!(of("NodePort"), "<any machine>:31883");
    assert_eq!(of("LoadBalancer"), "192.0.2.7:1883");
}
