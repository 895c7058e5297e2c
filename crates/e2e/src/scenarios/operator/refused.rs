//! Resources that cannot be meant: a condition says what to do, and nothing is touched.

use klamm_kafka::security::Security;
use serde_json::json;

use super::{Example, condition, none_new, told, verdict};
use crate::end::{End, Outcome};
use crate::kafka::Kafka;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "refused")?;
    let load = example.load(stage)?;
    let before = example.pods()?;
    let here = &example.namespace;
    let unknown = here.kubectl(&[
        "patch",
        "kafkacluster/main",
        "--type=merge",
        "-p",
        r#"{"spec":{"kafkaVersion":"4.3.0"}}"#,
    ]);
    let warned = unknown.as_ref().err().is_some_and(|error| error.contains("kafkaVersion"));
    let dropped = here.json("kafkacluster/main")?["spec"]["kafkaVersion"].is_null();
    End::unless(warned || dropped, || format!("an unknown field was taken: {unknown:?}"))?;
    let shrink = r#"[{"op":"replace","path":"/spec/volumes/0/size","value":"1Gi"}]"#;
    pool(&example, shrink, &["1Gi", "shrink"])?;
    pool(&example, r#"[{"op":"replace","path":"/spec/volumes/0/size","value":"20Gi"}]"#, &[])?;
    here.kubectl(&["scale", "kafkanodepool/all", "--replicas=4"])?;
    says(&example, &["4 nodes with role Controller"])?;
    here.kubectl(&["scale", "kafkanodepool/all", "--replicas=3"])?;
    example.settled(PATIENCE)?;
    example.patch(r#"{"spec":{"config":{"node.id":7}}}"#)?;
    says(&example, &["node.id"])?;
    example.patch(r#"{"spec":{"config":{"node.id":null}}}"#)?;
    example.settled(PATIENCE)?;
    let listener = r#"{"spec":{"listeners":[{"name":"plain","port":9092},{"name":"own","port":9094,"tls":{"secret":{"name":"none"}}}]}}"#;
    example.patch(listener)?;
    says(&example, &["none"])?;
    example.patch(r#"{"spec":{"listeners":[{"name":"plain","port":9092},{"name":"scram","port":9093,"tls":{},"authentication":"ScramSha512"}]}}"#)?;
    example.settled(PATIENCE)?;
    declared(&example)?;
    none_new(&before, &example.pods()?)?;
    verdict(stage, load)
}

/// Topics, users and gateways that cannot be.
fn declared(example: &Example) -> Outcome {
    let here = &example.namespace;
    let named = |kind: &str, name: &str, more: serde_json::Value| {
        let mut spec = json!({ "cluster": { "name": "main" } });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let (version, metadata) = ("klamm.dev/v1alpha1", json!({ "name": name }));
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
            .to_string()
    };
    let first = named("KafkaTopic", "first", json!({ "topicName": "claimed", "partitions": 2 }));
    here.apply(&first)?;
    here.wait("kafkatopic/first", "condition=Ready", PATIENCE)?;
    let bootstrap = crate::faults::Target::bootstrap(example);
    let mut kafka = Kafka::new(&bootstrap, Security::default())?;
    let second = json!({ "topicName": "claimed", "partitions": 5, "deletionPolicy": "Delete" });
    for (kind, name, spec, reason, words) in [
        ("KafkaTopic", "second", second, "NameTaken", "first"),
        ("KafkaTopic", "nowhere", json!({ "cluster": { "name": "gone" } }), "NoCluster", "gone"),
        (
            "KafkaUser",
            "silent",
            json!({ "authentication": "ScramSha512", "password": { "name": "none", "key": "p" } }),
            "NoPassword",
            "none",
        ),
        (
            "KafkaUser",
            "certified",
            json!({ "authentication": "Tls" }),
            "NoListener",
            "no listener with authentication Tls",
        ),
        ("Gateway", "lost", json!({ "user": "nobody" }), "UserNotFound", "nobody"),
        (
            "Gateway",
            "odd",
            json!({ "listener": "plain", "config": "colour = 'red'" }),
            "InvalidConfig",
            "colour",
        ),
    ] {
        here.apply(&named(kind, name, spec))?;
        told(here, &format!("{}/{name}", kind.to_lowercase()), reason, &[words])?;
    }
    // Whoever is refused takes nothing along.
    here.kubectl(&["delete", "kafkatopic/second", "kafkauser/silent", "gateway/odd"])?;
    let topic = kafka.topic("claimed")?;
    End::unless(topic == Some(vec![3; 2]), || format!("the first one's topic is {topic:?}"))?;
    let deployments = here.kubectl(&["get", "deployments", "-o", "name"])?;
    End::unless(deployments.is_empty(), || {
        format!("made for a gateway that cannot be: {deployments}")
    })
}

fn pool(example: &Example, patch: &str, words: &[&str]) -> Outcome {
    example.namespace.kubectl(&["patch", "kafkanodepool/all", "--type=json", "-p", patch])?;
    if words.is_empty() { Ok(example.settled(PATIENCE)?) } else { Ok(says(example, words)?) }
}

/// The cluster is not Ready, and the condition has these words.
fn says(example: &Example, words: &[&str]) -> Result<(), String> {
    until(&format!("a condition with {words:?}"), PATIENCE, || {
        let cluster = example.namespace.json("kafkacluster/main")?;
        let ready = condition(&cluster["status"], "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        let refused =
            ready["reason"] == "Invalid" && words.iter().all(|word| message.contains(word));
        if refused {
            println!("    {message}");
            return Ok(());
        }
        Err(ready.to_string())
    })
}
