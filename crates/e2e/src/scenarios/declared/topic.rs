//! KafkaTopics: made, changed, claimed twice and from elsewhere, deleted, and a thousand at once.

use serde_json::json;

use super::{Place, condition, delete, goes, patch, resource};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

/// Topics declared at once.
const MANY: usize = 1_000;

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let mut place = Place::new(stage, "topics")?;
    made_and_changed(stage, &mut place)?;
    claims(stage, &place)?;
    deleted(&mut place)?;
    many(stage, &mut place)?;
    let here = place.namespace.clone();
    goes(stage, &here)
}

fn made_and_changed(stage: &mut Stage<'_>, place: &mut Place) -> Outcome {
    let here = place.namespace.clone();
    let spec = json!({
        "partitions": 1, "replicas": 3, "config": { "retention.ms": 3_600_000 },
        "deletionPolicy": "Delete",
    });
    here.apply(&resource("KafkaTopic", "orders", None, spec))?;
    let took = place.ready(&here, "kafkatopic/orders")?;
    stage.number("topic made after apply", took, "ms");
    is(place, "orders", &[3])?;
    patch(
        &here,
        "kafkatopic/orders",
        &json!({ "partitions": 4, "config": { "retention.ms": 60_000 } }),
    )?;
    place.ready(&here, "kafkatopic/orders")?;
    is(place, "orders", &[3; 4])?;
    until("the new retention", PATIENCE, || {
        let retention = place.kafka.config("orders", "retention.ms")?;
        if retention.as_deref() == Some("60000") { Ok(()) } else { Err(format!("{retention:?}")) }
    })?;
    let since = now();
    patch(&here, "kafkatopic/orders", &json!({ "replicas": 2 }))?;
    place.ready(&here, "kafkatopic/orders")?;
    stage.number("from three replicas to two", since_ms(since), "ms");
    is(place, "orders", &[2; 4])?;
    patch(&here, "kafkatopic/orders", &json!({ "replicas": 3 }))?;
    place.ready(&here, "kafkatopic/orders")?;
    is(place, "orders", &[3; 4])
}

/// Kafka has the topic so; a broker hears of it a moment after the controller.
fn is(place: &mut Place, name: &str, expected: &[usize]) -> Outcome {
    until(&format!("{name} as {expected:?}"), PATIENCE, || {
        let topic = place.kafka.topic(name)?;
        if topic.as_deref() == Some(expected) { Ok(()) } else { Err(format!("{topic:?}")) }
    })?;
    Ok(())
}

/// Who was first has a name; another namespace needs a rule.
fn claims(stage: &mut Stage<'_>, place: &Place) -> Outcome {
    let here = &place.namespace;
    here.apply(&resource("KafkaTopic", "second", None, json!({ "topicName": "orders" })))?;
    let message = place.told(here, "kafkatopic/second", "NameTaken")?;
    println!("    {message}");
    let other = stage.namespace("topics-other")?;
    let own = format!("{}.events", other.name());
    let named = |name: &str| json!({ "topicName": name, "partitions": 1 });
    other.apply(&resource("KafkaTopic", "events", Some(here), named(&own)))?;
    let message = place.told(&other, "kafkatopic/events", "NotAllowed")?;
    println!("    {message}");
    let rule = json!({ "namespaces": [other.name()], "topics": ["{namespace}.*"] });
    patch(here, "kafkacluster/main", &json!({ "claims": [rule] }))?;
    place.ready(&other, "kafkatopic/events")?;
    other.apply(&resource("KafkaTopic", "foreign", Some(here), named("orders-of-others")))?;
    place.told(&other, "kafkatopic/foreign", "NotAllowed")?;
    // The cluster's own namespace has to leave alone what a rule gives to another.
    here.apply(&resource("KafkaTopic", "greedy", None, named(&own)))?;
    let refused = place.told(here, "kafkatopic/greedy", "NotAllowed");
    refused.or_else(|_| place.told(here, "kafkatopic/greedy", "NameTaken"))?;
    Ok(())
}

fn deleted(place: &mut Place) -> Outcome {
    let here = place.namespace.clone();
    delete(&here, "kafkatopic/second")?;
    is(place, "orders", &[3; 4])?;
    delete(&here, "kafkatopic/orders")?;
    until("orders gone from Kafka", PATIENCE, || match place.kafka.topic("orders")? {
        None => Ok(()),
        Some(there) => Err(format!("{there:?}")),
    })?;
    here.apply(&resource("KafkaTopic", "kept", None, json!({ "partitions": 2 })))?;
    place.ready(&here, "kafkatopic/kept")?;
    delete(&here, "kafkatopic/kept")?;
    is(place, "kept", &[3; 2])
}

fn many(stage: &mut Stage<'_>, place: &mut Place) -> Outcome {
    let here = place.namespace.clone();
    let before = place.kafka.topics()?;
    let spec = || json!({ "partitions": 1, "replicas": 1, "deletionPolicy": "Delete" });
    let all: Vec<String> =
        (0..MANY).map(|n| resource("KafkaTopic", &format!("many-{n}"), None, spec())).collect();
    let since = now();
    // Several at a time: one kubectl sends one request after the other.
    let chunks: Vec<String> = all.chunks(MANY / 4).map(|some| some.join("\n---\n")).collect();
    let applied: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let each = |text: &String| {
            let (here, text) = (here.clone(), text.clone());
            scope.spawn(move || here.apply(&text))
        };
        let running: Vec<_> = chunks.iter().map(each).collect();
        let ended = running.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|ended| ended.unwrap_or_else(|_| Err("it panicked".to_owned()))).collect()
    });
    applied.into_iter().collect::<Result<(), String>>()?;
    stage.number("a thousand topics applied after", since_ms(since), "ms");
    until("a thousand topics Ready", PATIENCE, || {
        let list = here.json("kafkatopics")?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let ready = items.iter().filter(|item| condition(item)["status"] == "True").count();
        if ready >= MANY { Ok(()) } else { Err(format!("{ready} of them")) }
    })?;
    stage.number("a thousand topics Ready after", since_ms(since), "ms");
    let after = place.kafka.topics()?;
    End::unless(after >= before + MANY, || format!("{after} topics in Kafka, were {before}"))?;
    if let Ok(bytes) = place.operator.resident_bytes() {
        stage.number("operator's memory then", bytes / (1024 * 1024), "MiB");
    }
    Ok(())
}
