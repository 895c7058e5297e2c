//! Makes topics in Kafka what they should be: a few requests for hundreds of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use klamm_kafka::KafkaError;
use klamm_kafka_proto::ErrorCode;

use super::admin::{Alteration, Creation, Found, TopicAdmin};
use super::assign::Load;
use super::build::{Change, Resize, Step, chunks, compared, diff, is_resized, moves};
use super::status::{How, Outcome, State};
use super::validate::Wanted;
use crate::controllers::outcome::{ERROR_AGAIN, refused};
use crate::controllers::status::Told;

/// While a move of replicas goes on.
const MOVING_AGAIN: Duration = Duration::from_secs(10);

/// Why `Ready` is false while replicas move.
pub(crate) const REASSIGNING: &str = "Reassigning";

/// A topic in the works.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) wanted: Wanted,
    /// Its replicas were on the move when it was last told of.
    pub(crate) was_moving: bool,
    /// What became of it; none if it has to be looked at anew.
    pub(crate) outcome: Option<Outcome>,
    /// When to look again, if not with everybody.
    pub(crate) again: Option<Duration>,
}

/// By topic.
pub(crate) type Works = BTreeMap<String, Work>;

/// What moving may take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MoveLimits {
    pub(crate) partitions_max: usize,
    /// Brokers that get nothing new.
    pub(crate) leaving: BTreeSet<i32>,
}

impl Work {
    pub(crate) fn new(wanted: Wanted, was_moving: bool) -> Self {
        Self { wanted, was_moving, outcome: None, again: None }
    }

    fn fail(&mut self, error: &KafkaError, state: Option<State>) {
        self.again = error.is_retryable().then_some(ERROR_AGAIN);
        self.outcome = Some(Outcome::NotReady(refused(error), state));
    }
}

pub(crate) fn is_unknown_topic(error: &KafkaError) -> bool {
    let unknown = [ErrorCode::UnknownTopicOrPartition, ErrorCode::UnknownTopicId];
    error.code().is_some_and(|code| unknown.contains(&code))
}

/// # Errors
/// Of the connection; topics without an outcome were not come to.
pub(crate) async fn settle<T: TopicAdmin>(
    admin: &mut T,
    works: &mut Works,
    limits: &MoveLimits,
) -> Result<(), KafkaError> {
    let found = find(admin, works).await?;
    let set = set(admin, works, &found).await?;
    let mut creations = Vec::new();
    let mut changes = BTreeMap::new();
    for (name, found) in &found {
        let Some(work) = works.get_mut(name) else { continue };
        let none = BTreeMap::new();
        let set = match set.get(name) {
            Some(Err(error)) => {
                work.fail(error, found.as_ref().map(State::from));
                continue;
            }
            Some(Ok(set)) => set,
            None => &none,
        };
        match (diff(&work.wanted, found.as_ref(), set), found) {
            (Step::Create(creation), _) => creations.push(creation),
            (Step::Change(change), Some(found)) => {
                changes.insert(name.clone(), (change, State::from(found)));
            }
            (Step::Change(_), None) => {}
            (Step::Refuse(told), found) => {
                work.outcome = Some(Outcome::NotReady(told, found.as_ref().map(State::from)));
            }
        }
    }
    create(admin, works, &creations).await?;
    change(admin, works, changes).await?;
    resize(admin, works, &found, limits).await
}

/// The topics as they are; none for those that are not there.
async fn find<T: TopicAdmin>(
    admin: &mut T,
    works: &mut Works,
) -> Result<BTreeMap<String, Option<Found>>, KafkaError> {
    let names: Vec<&str> = works.keys().map(String::as_str).collect();
    let mut answers = admin.topics(Some(&names)).await?;
    let mut found = BTreeMap::new();
    for (name, work) in works {
        match answers.remove(name) {
            Some(Ok(topic)) => found.insert(name.clone(), Some(topic)),
            Some(Err(error)) if !is_unknown_topic(&error) => {
                work.fail(&error, None);
                None
            }
            _ => found.insert(name.clone(), None),
        };
    }
    Ok(found)
}

/// The topics' own values of what is compared.
async fn set<T: TopicAdmin>(
    admin: &mut T,
    works: &Works,
    found: &BTreeMap<String, Option<Found>>,
) -> Result<BTreeMap<String, Result<BTreeMap<String, String>, KafkaError>>, KafkaError> {
    let there = found.iter().filter(|(_, found)| found.is_some());
    let there: Vec<&Wanted> =
        there.filter_map(|(name, _)| Some(&works.get(name)?.wanted)).collect();
    let has_some = |w: &&&Wanted| !w.config.is_empty() || !w.named_before.is_empty();
    let there: Vec<&Wanted> = there.iter().filter(has_some).copied().collect();
    let keys = compared(there.iter().copied());
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<&str> = there.iter().map(|wanted| wanted.name.as_str()).collect();
    admin.configs(&names, &keys).await
}

async fn create<T: TopicAdmin>(
    admin: &mut T,
    works: &mut Works,
    creations: &[Creation],
) -> Result<(), KafkaError> {
    for chunk in chunks(creations) {
        let mut answers = admin.create(chunk).await?;
        for creation in chunk {
            let Some(work) = works.get_mut(&creation.name) else { continue };
            match answers.remove(&creation.name) {
                Some(Ok(created)) => {
                    let how =
                        if work.wanted.known_id.is_some() { How::MadeAgain } else { How::Made };
                    work.outcome = Some(Outcome::Ready(State::from(created), how));
                }
                // Somebody made it a moment ago: it is there the next time.
                Some(Err(error)) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                    work.again = Some(ERROR_AGAIN);
                }
                Some(Err(error)) => work.fail(&error, None),
                None => work.again = Some(ERROR_AGAIN),
            }
        }
    }
    Ok(())
}

async fn change<T: TopicAdmin>(
    admin: &mut T,
    works: &mut Works,
    changes: BTreeMap<String, (Change, State)>,
) -> Result<(), KafkaError> {
    let grown = changes.iter().map(|(name, (change, _))| Some((name.as_str(), change.grow_to?)));
    let grows: Vec<(&str, u32)> = grown.flatten().collect();
    let altered = changes.iter().filter(|(_, (change, _))| !change.config.is_empty());
    let alterations: Vec<Alteration> = altered
        .map(|(name, (change, _))| Alteration {
            topic: name.clone(),
            changes: change.config.clone(),
        })
        .collect();
    let mut grown = if grows.is_empty() { BTreeMap::new() } else { admin.grow(&grows).await? };
    let mut altered =
        if alterations.is_empty() { BTreeMap::new() } else { admin.alter(&alterations).await? };
    for (name, (change, mut state)) in changes {
        let Some(work) = works.get_mut(&name) else { continue };
        let (grown, altered) = (grown.remove(&name), altered.remove(&name));
        if let (Some(to), Some(Ok(()))) = (change.grow_to, &grown) {
            state.partitions = Some(to);
            // Whether the new ones have as many replicas as they should.
            work.again = work.wanted.replicas.map(|_| ERROR_AGAIN);
        }
        let is_changed = grown.is_some() || altered.is_some();
        let failed = [grown, altered].into_iter().flatten().find_map(Result::err);
        match failed {
            Some(error) => work.fail(&error, Some(state)),
            None => {
                let how = how(&work.wanted, &state, is_changed);
                work.outcome = Some(Outcome::Ready(state, how));
            }
        }
    }
    Ok(())
}

fn how(wanted: &Wanted, state: &State, is_changed: bool) -> How {
    match &wanted.known_id {
        None => How::Adopted,
        Some(known) if *known != state.id => How::Replaced,
        Some(_) if is_changed => How::Changed,
        Some(_) => How::Same,
    }
}

/// Replicas, for topics that are otherwise as they should be.
async fn resize<T: TopicAdmin>(
    admin: &mut T,
    works: &mut Works,
    found: &BTreeMap<String, Option<Found>>,
    limits: &MoveLimits,
) -> Result<(), KafkaError> {
    let there = |name: &str| found.get(name).and_then(Option::as_ref);
    let is_suspect = |work: &Work| {
        let is_otherwise_ready = matches!(work.outcome, Some(Outcome::Ready(..)));
        let found = there(&work.wanted.name);
        let resized = found.is_some_and(|found| is_resized(&work.wanted, found, &BTreeMap::new()));
        is_otherwise_ready && found.is_some() && (resized || work.was_moving)
    };
    if !works.values().any(is_suspect) {
        return Ok(());
    }
    let moving = admin.moving().await?;
    let brokers =
        super::assign::Brokers { leaving: limits.leaving.clone(), ..admin.brokers().await? };
    let suspects = works.values_mut().filter(|work| is_suspect(work));
    let resizes = suspects.filter_map(|work| {
        let (topic, found) = found.get_key_value(&work.wanted.name)?;
        work.resized(topic, found.as_ref()?, &moving, &brokers)
    });
    let resizes: Vec<Resize<'_>> = resizes.collect();
    if resizes.is_empty() {
        return Ok(());
    }
    let all = admin.topics(None).await?;
    let mut load = Load::default();
    for topic in all.into_values().flatten() {
        topic.partitions.iter().for_each(|replicas| load.add(replicas));
    }
    let (moves, left) = moves(&resizes, &moving, &brokers, &mut load, limits.partitions_max);
    let mut answers =
        if moves.is_empty() { BTreeMap::new() } else { admin.reassign(&moves).await? };
    for resize in &resizes {
        let Some(work) = works.get_mut(resize.topic) else { continue };
        let state = Some(State::from(resize.found));
        match answers.remove(resize.topic) {
            Some(Err(error)) => work.fail(&error, state),
            _ => {
                let left = left.get(resize.topic).copied().unwrap_or_default();
                let message = format!(
                    "{left} of {} partitions have yet to get to {} replicas",
                    resize.found.partitions.len(),
                    resize.replicas
                );
                work.outcome = Some(Outcome::NotReady(Told::no(REASSIGNING, message), state));
                work.again = Some(MOVING_AGAIN);
            }
        }
    }
    Ok(())
}

impl Work {
    /// What is to be done if it has not its replicas, or is still getting them. Tells if it cannot have them.
    fn resized<'a>(
        &mut self,
        topic: &'a str,
        found: &'a Found,
        moving: &BTreeMap<(String, usize), Vec<i32>>,
        brokers: &super::assign::Brokers,
    ) -> Option<Resize<'a>> {
        let count = self.wanted.replicas?;
        let goes_on = self.was_moving && moving.keys().any(|(moved, _)| moved == topic);
        if !goes_on && !is_resized(&self.wanted, found, moving) {
            return None;
        }
        let replicas = usize::try_from(count).unwrap_or(usize::MAX);
        if replicas <= brokers.count() {
            return Some(Resize { topic, replicas, found });
        }
        let message = format!(
            "spec.replicas is {count}, and there are {} brokers to have them",
            brokers.count()
        );
        self.outcome =
            Some(Outcome::NotReady(Told::no("TooFewBrokers", message), Some(found.into())));
        None
    }
}
