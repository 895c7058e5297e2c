//! KafkaUsers: what their Secrets say lets them in, their rules bind, and nothing is left of them.

use klamm_kafka::KafkaError;
use klamm_kafka_proto::ErrorCode;
use serde_json::json;

use super::{Place, delete, goes, patch, resource};
use crate::end::Outcome;
use crate::kafka::Kafka;
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let mut place = Place::new(stage, "users")?;
    with_password(stage, &mut place)?;
    with_certificate(stage, &place)?;
    let here = place.namespace.clone();
    goes(stage, &here)
}

fn with_password(stage: &mut Stage<'_>, place: &mut Place) -> Outcome {
    let here = place.namespace.clone();
    let topics = json!({ "type": "Topic", "name": "open.", "patternType": "Prefixed" });
    let spec = json!({
        "authentication": "ScramSha512",
        "acls": [{ "resource": topics, "operations": ["Create", "Describe"] }],
        "quotas": { "producerByteRate": 1_048_576 },
    });
    here.apply(&resource("KafkaUser", "ann", None, spec))?;
    let took = place.ready(&here, "kafkauser/ann")?;
    stage.number("user with a password made after apply", took, "ms");
    let first = Secret::read(&here, "ann-kafka")?;
    let mut ann = first.connect()?;
    allowed("ann making open.a", || ann.may_create("open.a"))?;
    barred("ann making closed", || ann.may_create("closed"))?;
    let quotas = place.kafka.quotas("ann")?;
    crate::End::unless(quotas.get("producer_byte_rate") == Some(&1_048_576.0), || {
        format!("quotas of ann: {quotas:?}")
    })?;
    // Another password: Kafka has it as soon as the Secret is there again and the user is Ready.
    here.kubectl(&["delete", "secret/ann-kafka"])?;
    let second = until("another password", PATIENCE, || {
        let secret = Secret::read(&here, "ann-kafka")?;
        let is_new = secret.text("password")? != first.text("password")?;
        if is_new { Ok(secret) } else { Err("the same".to_owned()) }
    })?;
    allowed("ann with another password", || connected(&second)?.may_create("open.a"))?;
    stranger("ann with the first password", || connected(&first)?.may_create("open.a"))?;
    // Rules that change bind at once.
    patch(&here, "kafkauser/ann", &json!({ "acls": [] }))?;
    place.ready(&here, "kafkauser/ann")?;
    barred("ann without rules", || connected(&second)?.may_create("open.a"))?;
    delete(&here, "kafkauser/ann")?;
    stranger("ann who is gone", || connected(&second)?.may_create("open.a"))?;
    let quotas = place.kafka.quotas("ann")?;
    crate::End::unless(quotas.is_empty(), || format!("quotas of ann are left: {quotas:?}"))
}

fn with_certificate(stage: &mut Stage<'_>, place: &Place) -> Outcome {
    let here = place.namespace.clone();
    let topics = json!({ "type": "Topic", "name": "certified" });
    let spec = json!({
        "authentication": "Tls",
        "acls": [{ "resource": topics, "operations": ["Create"] }],
    });
    here.apply(&resource("KafkaUser", "ted", None, spec))?;
    let took = place.ready(&here, "kafkauser/ted")?;
    stage.number("user with a certificate made after apply", took, "ms");
    let mut ted = Secret::read(&here, "ted-kafka")?.connect()?;
    allowed("ted making certified", || ted.may_create("certified"))?;
    barred("ted making closed", || ted.may_create("closed"))?;
    let before = Secret::read(&here, "ted-kafka")?.text("user.crt")?;
    here.kubectl(&["annotate", "kafkauser/ted", "klamm.dev/renew=now"])?;
    let renewed = until("another certificate", PATIENCE, || {
        let secret = Secret::read(&here, "ted-kafka")?;
        let is_new = secret.text("user.crt")? != before;
        if is_new { Ok(secret) } else { Err("the same".to_owned()) }
    })?;
    let mut ted = renewed.connect()?;
    allowed("ted with another certificate", || ted.may_create("certified"))?;
    delete(&here, "kafkauser/ted")?;
    // The certificate is good until it ends; without rules it opens nothing.
    barred("ted who is gone", || ted.may_create("certified"))
}

fn connected(secret: &Secret) -> Result<Kafka, KafkaError> {
    secret.connect().map_err(|_| KafkaError::Closed)
}

type Answer = Result<(), KafkaError>;

/// A broker hears of rules and credentials a moment after the controller.
fn becomes(what: &str, mut ask: impl FnMut() -> Answer, is_so: fn(&Answer) -> bool) -> Outcome {
    until(what, PATIENCE, || {
        let answer = ask();
        if is_so(&answer) { Ok(()) } else { Err(format!("{answer:?}")) }
    })?;
    Ok(())
}

fn allowed(what: &str, ask: impl FnMut() -> Answer) -> Outcome {
    becomes(what, ask, Result::is_ok)
}

fn barred(what: &str, ask: impl FnMut() -> Answer) -> Outcome {
    becomes(what, ask, |answer| {
        let code = answer.as_ref().err().and_then(KafkaError::code);
        code == Some(ErrorCode::TopicAuthorizationFailed)
    })
}

/// Not let in.
fn stranger(what: &str, ask: impl FnMut() -> Answer) -> Outcome {
    becomes(what, ask, |answer| {
        let code = answer.as_ref().err().and_then(KafkaError::code);
        code == Some(ErrorCode::SaslAuthenticationFailed)
    })
}
