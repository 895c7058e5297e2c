//! Topics and users of another namespace: refused, allowed by its label, and then used: each user writes and reads over its own listener
//! what its rules allow, and no faster than its quota.

use klamm_kafka::KafkaError;
use klamm_kafka_proto::ErrorCode;
use serde_json::{Value, json};

use super::{Place, delete, patch, resource};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::records::Records;
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// Bytes a second that a user may write.
const QUOTA: u64 = 64 << 10;
/// What is written to find that out: 24 seconds' worth of the quota, of which Kafka lets ten pass at first (`quota.window.num`).
const BATCHES: u64 = 24;
const BATCH_BYTES: u64 = 64 << 10;
const FREE_S: u64 = 11;

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let place = Place::new(stage, "claims")?;
    let here = place.namespace.clone();
    let shop = stage.namespace("claims-shop")?;
    declared(&place, &shop)?;
    for (name, password) in [("scram", true), ("mtls", false)] {
        let secret = Secret::read(&shop, &format!("{name}-kafka"))?;
        let has_password = secret.text("password").is_ok();
        End::unless(has_password == password, || format!("the Secret of {name}: {secret:?}"))?;
        used(&shop, &secret)?;
    }
    quota(stage, &place, &shop)?;
    // Without its label the namespace has no rule any more; what was made stays as it is.
    crate::kubectl::kubectl(&["label", "namespace", shop.name(), "kafka-"], None)?;
    place.told(&shop, "kafkatopic/orders", "NotAllowed")?;
    let secret = Secret::read(&shop, "scram-kafka")?;
    used(&shop, &secret)?;
    crate::kubectl::kubectl(&["label", "namespace", shop.name(), "kafka=main"], None)?;
    place.ready(&shop, "kafkatopic/orders")?;
    delete(&shop, "kafkauser/scram")?;
    until("no Secret of a user who is gone", PATIENCE, || {
        match shop.kubectl(&["get", "secret/scram-kafka"]) {
            Err(error) if error.contains("NotFound") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    left(&place, &shop)?;
    super::goes(stage, &shop)?;
    super::goes(stage, &here)
}

/// A topic and two users, refused until the namespace has the label that a rule selects.
fn declared(place: &Place, shop: &Namespace) -> Outcome {
    let here = &place.namespace;
    let rule = json!({
        "namespaceSelector": { "matchLabels": { "kafka": "main" } },
        "topics": ["{namespace}.*"], "users": ["{namespace}.*"],
    });
    patch(here, "kafkacluster/main", &json!({ "claims": [rule] }))?;
    let own = |what: &str| format!("{}.{what}", shop.name());
    let topic = json!({ "topicName": own("orders"), "partitions": 1, "deletionPolicy": "Delete" });
    shop.apply(&resource("KafkaTopic", "orders", Some(here), topic))?;
    for (name, authentication) in [("scram", "ScramSha512"), ("mtls", "Tls")] {
        let spec = user(&own(name), authentication, &own("orders"));
        shop.apply(&resource("KafkaUser", name, Some(here), spec))?;
    }
    let all = ["kafkatopic/orders", "kafkauser/scram", "kafkauser/mtls"];
    for what in all {
        println!("    {}", place.told(shop, what, "NotAllowed")?);
    }
    let secrets = shop.kubectl(&["get", "secrets", "-o", "name"])?;
    End::unless(secrets.is_empty(), || format!("delivered to who is refused: {secrets}"))?;
    crate::kubectl::kubectl(&["label", "namespace", shop.name(), "kafka=main"], None)?;
    for what in all {
        place.ready(shop, what)?;
    }
    // A name that the rule gives to nobody.
    let foreign = user("admin", "ScramSha512", &own("orders"));
    shop.apply(&resource("KafkaUser", "foreign", Some(here), foreign))?;
    place.told(shop, "kafkauser/foreign", "NotAllowed")?;
    let elsewhere = json!({ "partitions": 1 });
    here.apply(&resource("KafkaTopic", "payroll", None, elsewhere))?;
    place.ready(here, "kafkatopic/payroll")?;
    Ok(())
}

fn user(name: &str, authentication: &str, topic: &str) -> Value {
    json!({
        "userName": name, "authentication": authentication,
        "acls": [{
            "resource": { "type": "Topic", "name": topic },
            "operations": ["Write", "Read", "Describe"],
        }],
    })
}

/// Writes and reads what the rules allow, and is refused with the rest, as the delivered Secret says.
fn used(shop: &Namespace, secret: &Secret) -> Outcome {
    let topic = format!("{}.orders", shop.name());
    let name = secret.text("username")?;
    let told = |error: KafkaError| format!("{name}: {error}");
    // A broker hears of a new user and its rules a moment after the controller.
    let mut user = until(&format!("{name} writing"), PATIENCE, || {
        let mut user = Records::connect(secret).map_err(told)?;
        user.write(&topic, name.as_bytes()).map_err(told)?;
        Ok(user)
    })?;
    let read = user.read(&topic).map_err(told)?;
    let found = read.iter().any(|value| value == name.as_bytes());
    End::unless(found, || format!("{name} does not read what it wrote, of {}", read.len()))?;
    for (what, refused) in
        [("write", user.write("payroll", b"").map(drop)), ("read", user.read("payroll").map(drop))]
    {
        let code = refused.as_ref().err().and_then(KafkaError::code);
        let barred = code == Some(ErrorCode::TopicAuthorizationFailed);
        End::unless(barred, || format!("{name} may {what} payroll: {refused:?}"))?;
    }
    Ok(())
}

/// One with a quota is told to wait and is slower than one without; both write the same.
fn quota(stage: &mut Stage<'_>, place: &Place, shop: &Namespace) -> Outcome {
    patch(shop, "kafkauser/mtls", &json!({ "quotas": { "producerByteRate": QUOTA } }))?;
    place.ready(shop, "kafkauser/mtls")?;
    let free = written(shop, "scram")?;
    // A broker hears of a quota a moment after the controller.
    let held = until("a user that its quota holds back", PATIENCE, || {
        let held = written(shop, "mtls")?;
        if held.throttled_ms > 0 { Ok(held) } else { Err("not held back".to_owned()) }
    })?;
    stage.number("1.5 MiB written without a quota", free.took_ms, "ms");
    stage.number("the same with a quota of 64 KiB/s", held.took_ms, "ms");
    stage.number("longest wait that a broker told", held.throttled_ms, "ms");
    let least_ms = 1000 * (BATCHES * BATCH_BYTES / QUOTA - FREE_S);
    let slow = held.took_ms >= least_ms && free.throttled_ms == 0;
    End::unless(slow, || format!("{held:?} with a quota, {free:?} without"))
}

/// Under a pause nothing is taken from Kafka: the user goes nevertheless, and an event says what it left.
fn left(place: &Place, shop: &Namespace) -> Outcome {
    patch(&place.namespace, "kafkacluster/main", &json!({ "paused": true }))?;
    place.told(&place.namespace, "kafkacluster/main", "Paused")?;
    delete(shop, "kafkauser/mtls")?;
    until("an event that says what is left in Kafka", PATIENCE, || {
        let events = shop.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"])?;
        if events.contains("LeftInKafka") { Ok(()) } else { Err(events) }
    })?;
    patch(&place.namespace, "kafkacluster/main", &json!({ "paused": false }))?;
    Ok(())
}

#[derive(Debug)]
struct Written {
    took_ms: u64,
    throttled_ms: i32,
}

fn written(shop: &Namespace, user: &str) -> Result<Written, String> {
    let secret = Secret::read(shop, &format!("{user}-kafka"))?;
    let told = |error: KafkaError| format!("{user}: {error}");
    let mut user = Records::connect(&secret).map_err(told)?;
    let topic = format!("{}.orders", shop.name());
    let value = vec![b'x'; BATCH_BYTES as usize];
    let (since, mut throttled_ms) = (now(), 0);
    for _ in 0..BATCHES {
        throttled_ms = user.write(&topic, &value).map_err(told)?.max(throttled_ms);
    }
    Ok(Written { took_ms: since_ms(since), throttled_ms })
}
