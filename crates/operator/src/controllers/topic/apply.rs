//! One look at topics of one cluster: resources first, then Kafka, then what is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::{Conditions, KafkaTopic, KafkaTopicStatus};
use klamm_kafka::KafkaError;

use super::admin::TopicAdmin;
use super::settle::{MoveLimits, REASSIGNING, Work, Works, is_unknown_topic, settle};
use super::status::{How, Outcome, status};
use super::validate::{Verdict, Wanted, validate};
use crate::controllers::board::Batch;
use crate::controllers::objects::{Edit, Edited, Note, Objects};
use crate::controllers::outcome::{
    AT_ONCE, CONFLICT_AGAIN, ERROR_AGAIN, RELEASE_AFTER, edited, failed,
};
use crate::controllers::registry::Key;
use crate::controllers::status::READY;
use crate::controllers::work::Again;

/// Kafka, when it is needed.
pub(crate) trait Connect: Sync {
    /// What it is asked through.
    type Admin: TopicAdmin;
    /// The error says why there is none.
    fn connect(&self) -> impl Future<Output = Result<Self::Admin, String>> + Send;
}

/// What is kept of a cluster between two looks. Losing it has deletions wait anew.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    unreachable_since: Option<Timestamp>,
}

/// A topic that goes.
struct Going {
    key: Key,
    topic: Arc<KafkaTopic>,
    name: String,
    id: String,
}

/// A topic that should be.
struct Being {
    key: Key,
    topic: Arc<KafkaTopic>,
    wanted: Wanted,
}

pub(crate) struct Look<'a, C, O> {
    pub(crate) kafka: &'a C,
    pub(crate) objects: &'a O,
    pub(crate) limits: MoveLimits,
    pub(crate) now: Timestamp,
}

impl<C: Connect, O: Objects<KafkaTopic, KafkaTopicStatus>> Look<'_, C, O> {
    pub(crate) async fn round(&self, batch: Batch<KafkaTopic>, memory: &mut Memory) -> Again {
        let mut again = Again::new();
        let (mut going, mut being, mut released, mut told) = (vec![], vec![], vec![], vec![]);
        for item in batch.items {
            let verdict = validate(&item, batch.cluster.as_deref());
            let (key, topic) = (item.key, item.resource);
            match verdict {
                Verdict::Wanted(wanted) => being.push(Being { key, topic, wanted }),
                Verdict::Delete { name, id } => going.push(Going { key, topic, name, id }),
                Verdict::Refused(why) => told.push((key, topic, Outcome::NotReady(why, None))),
                Verdict::Release(left) => released.push((key, topic, left)),
                Verdict::Nothing => {}
            }
        }
        let being = self.prepare(being, &mut again).await;
        let kafka = self.in_kafka(being, going, memory).await;
        again.extend(kafka.again);
        told.extend(kafka.told);
        released.extend(kafka.released);
        again.extend(self.release(released).await);
        again.extend(self.finish(kafka.settled).await);
        again.extend(self.tell(told).await);
        again
    }

    /// Finalizers and what must be remembered, before Kafka is touched.
    async fn prepare(&self, being: Vec<Being>, again: &mut Again) -> Vec<Being> {
        let prepare = async |one: Being| {
            let Some(edit) = one.wanted.before().needed(&one.topic.metadata) else {
                return Ok(one);
            };
            match self.objects.edit(&one.topic, &edit).await {
                Ok(Edited::Now(topic)) => Ok(Being { topic: Arc::new(*topic), ..one }),
                Ok(Edited::Stale) => Err(Some((one.key, CONFLICT_AGAIN))),
                Ok(Edited::Gone) => Err(None),
                Err(error) => Err(Some(failed(one.key, &error))),
            }
        };
        let prepared: Vec<_> =
            stream::iter(being).map(prepare).buffer_unordered(AT_ONCE).collect().await;
        let mut ready = Vec::new();
        for one in prepared {
            match one {
                Ok(one) => ready.push(one),
                Err(later) => again.extend(later),
            }
        }
        ready
    }

    async fn in_kafka(&self, being: Vec<Being>, going: Vec<Going>, memory: &mut Memory) -> Done {
        let mut works: Works = BTreeMap::new();
        for one in &being {
            let was_moving = one.topic.status.as_ref().is_some_and(|status| {
                status.conditions.of(READY).is_some_and(|ready| ready.reason == REASSIGNING)
            });
            works.insert(one.wanted.name.clone(), Work::new(one.wanted.clone(), was_moving));
        }
        let mut done = Done::default();
        let asked = self.ask(&mut works, going, &mut done, memory).await;
        for one in being {
            let Some(work) = works.remove(&one.wanted.name) else { continue };
            let again = work.again.or(asked.is_err().then_some(ERROR_AGAIN));
            done.again.extend(again.map(|after| (one.key.clone(), after)));
            let outcome = match (work.outcome, &asked) {
                (Some(outcome), _) => outcome,
                (None, Err(why)) => Outcome::Unreachable(why.clone()),
                (None, Ok(())) => continue,
            };
            if matches!(outcome, Outcome::Ready(..)) {
                done.settled.push((one.key.clone(), Arc::clone(&one.topic), one.wanted));
            }
            done.told.push((one.key, one.topic, outcome));
        }
        done
    }

    /// # Errors
    /// Why Kafka cannot be asked.
    async fn ask(
        &self,
        works: &mut Works,
        mut going: Vec<Going>,
        done: &mut Done,
        memory: &mut Memory,
    ) -> Result<(), String> {
        if works.is_empty() && going.is_empty() {
            return Ok(());
        }
        let asking = async {
            let mut admin = self.kafka.connect().await?;
            self.delete(&mut admin, &mut going, done).await.map_err(|e| e.to_string())?;
            if works.is_empty() {
                return Ok(());
            }
            settle(&mut admin, works, &self.limits).await.map_err(|e| e.to_string())
        };
        let asked = asking.await;
        match &asked {
            Ok(()) => memory.unreachable_since = None,
            Err(why) => {
                if memory.unreachable_since.is_none() {
                    tracing::warn!(why, "topics cannot be administered for now");
                }
                let since = *memory.unreachable_since.get_or_insert(self.now);
                for one in going {
                    self.give_up(one, since, why, done);
                }
            }
        }
        asked
    }

    /// Those that Kafka had a word about are taken out of `going`.
    async fn delete<T: TopicAdmin>(
        &self,
        admin: &mut T,
        going: &mut Vec<Going>,
        done: &mut Done,
    ) -> Result<(), KafkaError> {
        if going.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = going.iter().map(|one| one.id.as_str()).collect();
        let mut deleted = admin.delete(&ids).await?;
        let mut unknown = Vec::new();
        for one in std::mem::take(going) {
            match deleted.remove(&one.id) {
                Some(Ok(())) => done.released.push((one.key, one.topic, None)),
                Some(Err(error)) if !is_unknown_topic(&error) => {
                    self.give_up(one, Timestamp::MIN, &error.to_string(), done);
                }
                Some(Err(_)) | None => unknown.push(one),
            }
        }
        // Whatever becomes of the question, these have nothing in Kafka.
        let others = others(admin, &unknown).await.unwrap_or_default();
        for one in unknown {
            let left = others.contains(&one.name).then(|| {
                let left = "is not the one this resource knew: it was left in Kafka";
                format!("topic '{}' {left}", one.name)
            });
            done.released.push((one.key, one.topic, left));
        }
        Ok(())
    }

    /// Kafka did not delete a topic: again, or after long enough the resource goes and the topic stays.
    fn give_up(&self, one: Going, since: Timestamp, why: &str, done: &mut Done) {
        let marked = one.topic.metadata.deletion_timestamp.as_ref().map_or(self.now, |time| time.0);
        if self.now.duration_since(marked.max(since)) < RELEASE_AFTER {
            done.again.push((one.key, ERROR_AGAIN));
            return;
        }
        let left = format!("topic '{}' could not be deleted and is left in Kafka: {why}", one.name);
        done.released.push((one.key, one.topic, Some(left)));
    }

    async fn release(&self, released: Vec<(Key, Arc<KafkaTopic>, Option<String>)>) -> Again {
        let release = async |(key, topic, left): (Key, Arc<KafkaTopic>, Option<String>)| {
            if let Some(text) = left {
                let note = Note { is_warning: true, reason: "LeftInKafka", text };
                self.objects.note(&topic, &note).await;
            }
            let edit = Edit { finalizer: Some(false), ..Edit::default() };
            let edit = edit.needed(&topic.metadata)?;
            edited(key, self.objects.edit(&topic, &edit).await)
        };
        let again = stream::iter(released).map(release).buffer_unordered(AT_ONCE);
        again.filter_map(async |again| again).collect().await
    }

    async fn tell(&self, told: Vec<(Key, Arc<KafkaTopic>, Outcome)>) -> Again {
        let tell = async |(key, topic, outcome): (Key, Arc<KafkaTopic>, Outcome)| {
            let new = status(&topic, &outcome, &Time(self.now))?;
            if let Outcome::Ready(_, How::MadeAgain | How::Replaced) = outcome {
                let ready = new.conditions.of(READY)?;
                let note =
                    Note { is_warning: true, reason: "TopicWasGone", text: ready.message.clone() };
                self.objects.note(&topic, &note).await;
            }
            edited(key, self.objects.tell(&topic, &new).await)
        };
        let again = stream::iter(told).map(tell).buffer_unordered(AT_ONCE);
        again.filter_map(async |again| again).collect().await
    }

    /// What was taken back need not be remembered.
    async fn finish(&self, settled: Vec<(Key, Arc<KafkaTopic>, Wanted)>) -> Again {
        let needs = |(key, topic, wanted): (Key, Arc<KafkaTopic>, Wanted)| {
            let edit = wanted.after().needed(&topic.metadata)?;
            Some((key, topic, edit))
        };
        let finish = async |(key, topic, edit): (Key, Arc<KafkaTopic>, Edit)| {
            edited(key, self.objects.edit(&topic, &edit).await)
        };
        let due = settled.into_iter().filter_map(needs);
        let again = stream::iter(due).map(finish).buffer_unordered(AT_ONCE);
        again.filter_map(async |again| again).collect().await
    }
}

/// What came of a look into Kafka.
#[derive(Default)]
struct Done {
    again: Again,
    told: Vec<(Key, Arc<KafkaTopic>, Outcome)>,
    released: Vec<(Key, Arc<KafkaTopic>, Option<String>)>,
    settled: Vec<(Key, Arc<KafkaTopic>, Wanted)>,
}

/// Names of topics that are gone which other topics have.
async fn others<T: TopicAdmin>(
    admin: &mut T,
    gone: &[Going],
) -> Result<BTreeSet<String>, KafkaError> {
    if gone.is_empty() {
        return Ok(BTreeSet::new());
    }
    let names: Vec<&str> = gone.iter().map(|one| one.name.as_str()).collect();
    let mut found = admin.topics(Some(&names)).await?;
    let mut has_another = |one: &Going| {
        found.remove(&one.name).is_some_and(|topic| topic.is_ok_and(|topic| topic.id != one.id))
    };
    Ok(gone.iter().filter(|one| has_another(one)).map(|one| one.name.clone()).collect())
}
