//! What a KafkaTopic's status says. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use klamm_crd::{Conditions, KafkaTopic, KafkaTopicStatus};

use super::admin::{Created, Found};
use crate::controllers::registry::Claimant;
use crate::controllers::status::{READY, Told};

/// A topic as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) partitions: Option<u32>,
    pub(crate) replicas: Option<u32>,
}

impl From<&Found> for State {
    fn from(found: &Found) -> Self {
        Self {
            id: found.id.clone(),
            partitions: u32::try_from(found.partitions.len()).ok(),
            replicas: u32::try_from(found.replicas()).ok(),
        }
    }
}

impl From<Created> for State {
    fn from(created: Created) -> Self {
        Self { id: created.id, partitions: created.partitions, replicas: created.replicas }
    }
}

/// How a topic came to be as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Made,
    MadeAgain,
    Adopted,
    /// The one that was known is gone; another one of the name is there.
    Replaced,
    Changed,
    Same,
}

/// What became of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ready(State, How),
    NotReady(Told, Option<State>),
    /// Kafka cannot be asked. Who was ready stays so: what is in Kafka has not changed by it.
    Unreachable(String),
}

/// The new status, if it differs from the old one.
pub(crate) fn status(
    topic: &KafkaTopic,
    outcome: &Outcome,
    now: &Time,
) -> Option<KafkaTopicStatus> {
    let before = topic.status.clone().unwrap_or_default();
    let generation = topic.metadata.generation;
    let mut status = KafkaTopicStatus {
        observed_generation: generation,
        topic_name: Some(topic.claimed().to_owned()),
        ..before.clone()
    };
    let (told, state) = match outcome {
        Outcome::Ready(state, how) => (ready(&before, generation, state, *how), Some(state)),
        Outcome::NotReady(told, state) => (told.clone(), state.as_ref()),
        Outcome::Unreachable(_) if was_ready(&before, generation) => return None,
        Outcome::Unreachable(why) => (Told::no("Unreachable", why), None),
    };
    if let Some(state) = state {
        status.topic_id = Some(state.id.clone());
        status.partitions = state.partitions;
        status.replicas = state.replicas;
    }
    told.write(&mut status.conditions, generation, now);
    (status != before).then_some(status)
}

fn was_ready(before: &KafkaTopicStatus, generation: Option<i64>) -> bool {
    before
        .conditions
        .of(READY)
        .is_some_and(|ready| ready.status == "True" && ready.observed_generation == generation)
}

fn ready(before: &KafkaTopicStatus, generation: Option<i64>, state: &State, how: How) -> Told {
    let number = |number: Option<u32>| number.map_or("?".to_owned(), |number| number.to_string());
    let is = format!(
        "{} partitions, {} replicas each",
        number(state.partitions),
        number(state.replicas)
    );
    match how {
        How::Made => Told::yes("Made", is),
        How::Adopted => {
            Told::yes("Adopted", format!("{is}; the topic was there before this resource"))
        }
        How::MadeAgain => Told::yes(
            "MadeAgain",
            format!("{is}; the topic was gone from Kafka, with its data, and was made again"),
        ),
        How::Replaced => Told::yes(
            "Replaced",
            format!(
                "{is}; somebody deleted the topic, with its data, and made one of the same name"
            ),
        ),
        How::Changed => Told::yes("Changed", is),
        // What was said when it became so is kept for as long as nothing else happens.
        How::Same => match before.conditions.of(READY) {
            Some(said) if was_ready(before, generation) && said.message.starts_with(&is) => {
                Told::yes(&said.reason, said.message.clone())
            }
            _ => Told::yes("Ready", is),
        },
    }
}
