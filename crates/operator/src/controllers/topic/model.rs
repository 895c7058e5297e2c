//! The controller against a Kafka and an API server in memory: random edits, conflicts, outages and restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use klamm_crd::{
    Claim, ClusterRef, Conditions, Config, DeletionPolicy, KafkaCluster, KafkaClusterSpec,
    KafkaTopic, KafkaTopicSpec,
};
use klamm_kafka::KafkaError;
use klamm_kafka::admin::Outcomes;
use klamm_kafka_proto::ErrorCode;
use kube::ResourceExt;

use super::admin::{Alteration, Created, Creation, Found, Move, TopicAdmin};
use super::apply::{Connect, Look, Memory};
use super::assign::Brokers;
use super::settle::MoveLimits;
use crate::controllers::board::Board;
use crate::controllers::claims::Kind;
use crate::controllers::model::{Store, board};
use crate::controllers::objects::has_finalizer;
use crate::controllers::registry::{Claimant, Key};
use crate::controllers::status::READY;
use crate::random::Random;

#[derive(Debug, Clone, Default)]
struct Topic {
    id: String,
    partitions: Vec<Vec<i32>>,
    moving: BTreeMap<usize, Vec<i32>>,
    config: BTreeMap<String, String>,
    /// Resources that gave it properties.
    owners: BTreeSet<String>,
}

#[derive(Debug)]
struct Kafka {
    topics: BTreeMap<String, Topic>,
    made: usize,
    is_reachable: bool,
    /// So many calls until one finds no answer.
    calls_left: Option<usize>,
    deleted: Vec<(String, String)>,
    calls: usize,
    /// A broker that is asked for topics has heard of none yet; the controller has.
    is_behind: bool,
}

type Shared = Arc<Mutex<Kafka>>;

struct Fake(Shared);

fn refusal(code: ErrorCode, message: &str) -> KafkaError {
    KafkaError::Refused { what: "it".into(), code, message: Some(message.into()) }
}

impl Fake {
    fn call(&self) -> Result<std::sync::MutexGuard<'_, Kafka>, KafkaError> {
        let mut kafka = self.0.lock().unwrap();
        kafka.calls += 1;
        let is_cut = kafka.calls_left == Some(0);
        kafka.calls_left = kafka.calls_left.map(|left| left.saturating_sub(1));
        if is_cut || !kafka.is_reachable { Err(KafkaError::Closed) } else { Ok(kafka) }
    }
}

/// The only property that Kafka does not take, for one value of it.
fn check(key: &str, value: &str) -> Result<(), KafkaError> {
    if (key, value) == ("c", "bad") {
        return Err(refusal(ErrorCode::InvalidConfig, "Invalid value bad for configuration c"));
    }
    Ok(())
}

impl TopicAdmin for Fake {
    async fn topics(
        &mut self,
        names: Option<&[&str]>,
    ) -> Result<Outcomes<String, Found>, KafkaError> {
        let kafka = self.call()?;
        let all: Vec<&str> = kafka.topics.keys().map(String::as_str).collect();
        let names = names.unwrap_or(&all);
        let found = |name: &&str| match kafka.topics.get(*name).filter(|_| !kafka.is_behind) {
            Some(t) => Ok(Found { id: t.id.clone(), partitions: t.partitions.clone() }),
            None => Err(refusal(ErrorCode::UnknownTopicOrPartition, "no such topic")),
        };
        Ok(names.iter().map(|name| ((*name).to_owned(), found(name))).collect())
    }

    async fn configs(
        &mut self,
        topics: &[&str],
        keys: &BTreeSet<&str>,
    ) -> Result<Outcomes<String, BTreeMap<String, String>>, KafkaError> {
        let kafka = self.call()?;
        let config = |name: &&str| {
            let topic = kafka.topics.get(*name);
            let topic = topic.ok_or(refusal(ErrorCode::UnknownTopicOrPartition, "gone"))?;
            let named = topic.config.iter().filter(|(key, _)| keys.contains(key.as_str()));
            Ok(named.map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        Ok(topics.iter().map(|name| ((*name).to_owned(), config(name))).collect())
    }

    async fn create(
        &mut self,
        topics: &[Creation],
    ) -> Result<Outcomes<String, Created>, KafkaError> {
        let mut kafka = self.call()?;
        let mut create = |creation: &Creation| {
            if kafka.topics.contains_key(&creation.name) {
                return Err(refusal(ErrorCode::TopicAlreadyExists, "is there"));
            }
            creation.config.iter().try_for_each(|(key, value)| check(key, value))?;
            kafka.made += 1;
            let id = format!("id-{}", kafka.made);
            let replicas = creation.replicas.unwrap_or(1);
            let partition = (0..i32::try_from(replicas).unwrap()).collect::<Vec<_>>();
            let partitions = creation.partitions.unwrap_or(2);
            let topic = Topic {
                id: id.clone(),
                partitions: vec![partition; usize::try_from(partitions).unwrap()],
                config: creation.config.clone(),
                ..Topic::default()
            };
            kafka.topics.insert(creation.name.clone(), topic);
            Ok(Created { id, partitions: Some(partitions), replicas: Some(replicas) })
        };
        Ok(topics.iter().map(|creation| (creation.name.clone(), create(creation))).collect())
    }

    async fn grow(&mut self, topics: &[(&str, u32)]) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut kafka = self.call()?;
        let mut grow = |(name, count): &(&str, u32)| {
            let topic = kafka.topics.get_mut(*name);
            let topic = topic.ok_or(refusal(ErrorCode::UnknownTopicOrPartition, "gone"))?;
            let count = usize::try_from(*count).unwrap();
            assert!(count > topic.partitions.len(), "partitions are only added");
            topic.partitions.resize(count, vec![0]);
            Ok(())
        };
        Ok(topics.iter().map(|one| (one.0.to_owned(), grow(one))).collect())
    }

    async fn alter(
        &mut self,
        alterations: &[Alteration],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut kafka = self.call()?;
        let mut alter = |alteration: &Alteration| {
            let topic = kafka.topics.get_mut(&alteration.topic);
            let topic = topic.ok_or(refusal(ErrorCode::UnknownTopicOrPartition, "gone"))?;
            for (key, value) in &alteration.changes {
                check(key, value.as_deref().unwrap_or_default())?;
            }
            for (key, value) in &alteration.changes {
                match value {
                    Some(value) => topic.config.insert(key.clone(), value.clone()),
                    None => topic.config.remove(key),
                };
            }
            Ok(())
        };
        Ok(alterations.iter().map(|one| (one.topic.clone(), alter(one))).collect())
    }

    async fn delete(&mut self, ids: &[&str]) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut kafka = self.call()?;
        let mut delete = |id: &&str| {
            let name = kafka.topics.iter().find(|(_, topic)| topic.id == *id);
            let Some(name) = name.map(|(name, _)| name.clone()) else {
                return Err(refusal(ErrorCode::UnknownTopicId, "gone"));
            };
            kafka.topics.remove(&name);
            kafka.deleted.push((name, (*id).to_owned()));
            Ok(())
        };
        Ok(ids.iter().map(|id| ((*id).to_owned(), delete(id))).collect())
    }

    async fn brokers(&mut self) -> Result<Brokers, KafkaError> {
        drop(self.call()?);
        let racks = (0..4).map(|id| (id, Some(format!("rack-{}", id % 2)))).collect();
        Ok(Brokers { racks, leaving: BTreeSet::new() })
    }

    async fn moving(&mut self) -> Result<BTreeMap<(String, usize), Vec<i32>>, KafkaError> {
        let kafka = self.call()?;
        let of = |(name, topic): (&String, &Topic)| {
            let one = |(index, to): (&usize, &Vec<i32>)| ((name.clone(), *index), to.clone());
            topic.moving.iter().map(one).collect::<Vec<_>>()
        };
        Ok(kafka.topics.iter().flat_map(of).collect())
    }

    async fn reassign(&mut self, moves: &[Move]) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut kafka = self.call()?;
        for one in moves {
            let Some(topic) = kafka.topics.get_mut(&one.topic) else { continue };
            assert!(!topic.moving.contains_key(&one.partition), "it moves already");
            topic.moving.insert(one.partition, one.replicas.clone());
        }
        Ok(moves.iter().map(|one| (one.topic.clone(), Ok(()))).collect())
    }
}

impl Connect for Shared {
    type Admin = Fake;

    async fn connect(&self) -> Result<Fake, String> {
        Ok(Fake(Arc::clone(self)))
    }
}

const NAMESPACES: [&str; 3] = ["kafka", "shop", "barred"];
const TOPICS: [&str; 4] = ["a", "b", "c", "d"];

struct World {
    random: Random,
    store: Store<KafkaTopic>,
    kafka: Shared,
    board: Board<KafkaTopic>,
    memory: Memory,
    cluster: Option<KafkaCluster>,
    now: Timestamp,
    generation: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let kafka = Kafka {
            topics: BTreeMap::new(),
            made: 0,
            is_reachable: true,
            calls_left: None,
            deleted: Vec::new(),
            calls: 0,
            is_behind: false,
        };
        let mut world = Self {
            random: Random::new(seed),
            store: Store::new(seed),
            kafka: Arc::new(Mutex::new(kafka)),
            board: board(Kind::Topic),
            memory: Memory::default(),
            cluster: None,
            now: Timestamp::from_second(1_000_000).unwrap(),
            generation: 1,
        };
        world.set_cluster(Some(false));
        world
    }

    /// None takes it away; else it is paused or not.
    fn set_cluster(&mut self, paused: Option<bool>) {
        self.generation += 1;
        self.cluster = paused.map(|paused| {
            let claim = Claim {
                namespaces: Some(vec!["shop".into(), "kafka".into()]),
                topics: vec!["*".into()],
                ..Claim::default()
            };
            let spec = KafkaClusterSpec { claims: vec![claim], paused, ..Default::default() };
            let mut cluster = KafkaCluster::new("c", spec);
            cluster.metadata.namespace = Some("kafka".into());
            cluster.metadata.generation = Some(self.generation);
            cluster
        });
    }

    fn key(&mut self) -> Option<Key> {
        let keys: Vec<Key> = self.store.lock().objects.keys().cloned().collect();
        let index = self.random.range(0, keys.len().max(1) as u64);
        keys.get(usize::try_from(index).unwrap()).cloned()
    }

    fn spec(&mut self) -> KafkaTopicSpec {
        let mut spec = KafkaTopicSpec {
            cluster: ClusterRef { name: "c".into(), namespace: Some("kafka".into()) },
            topic_name: self.random.pick(&TOPICS).map(str::to_owned),
            ..KafkaTopicSpec::default()
        };
        self.edit(&mut spec);
        spec
    }

    fn edit(&mut self, spec: &mut KafkaTopicSpec) {
        let random = &mut self.random;
        let number = |random: &mut Random, below| u32::try_from(random.range(1, below)).unwrap();
        let more = number(random, 6).max(spec.partitions.unwrap_or(1));
        spec.partitions = random.chance(60).then_some(more).or(spec.partitions);
        spec.replicas = random.chance(40).then(|| number(random, 6));
        spec.deletion_policy = *[DeletionPolicy::Retain, DeletionPolicy::Delete]
            .get(usize::from(random.chance(50)))
            .unwrap();
        spec.paused = random.chance(10);
        let keys: Vec<&str> = ["a", "b", "c"].into_iter().filter(|_| random.chance(50)).collect();
        let mut value = |_| random.pick(&["1", "2", "3", "4", "bad"]).unwrap();
        let config = keys.into_iter().map(|key| (key.to_owned(), value(key).into())).collect();
        spec.config = Config(config);
    }

    /// A person, or fate.
    fn disturb(&mut self) {
        match self.random.range(0, 12) {
            0..3 => {
                let namespace = self.random.pick(&NAMESPACES).unwrap();
                let name = format!("r{}", self.random.range(0, 4));
                let spec = self.spec();
                self.store.make(namespace, KafkaTopic::new(&name, spec), self.now);
            }
            3..5 => {
                let Some(key) = self.key() else { return };
                let spec = self.store.lock().objects.get(&key).map(|topic| topic.spec.clone());
                let Some(mut spec) = spec else { return };
                self.edit(&mut spec);
                self.store.change(&key, |there| *there = spec);
            }
            5 => {
                let Some(key) = self.key() else { return };
                self.store.delete(&key, self.now);
            }
            6 => {
                let name = self.random.pick(&TOPICS).unwrap();
                self.kafka.lock().unwrap().topics.remove(name);
            }
            7 => {
                let name = self.random.pick(&TOPICS).unwrap();
                let value = self.random.range(0, 9).to_string();
                if let Some(topic) = self.kafka.lock().unwrap().topics.get_mut(name) {
                    topic.config.insert("foreign".into(), value);
                }
            }
            8 => {
                let calls = usize::try_from(self.random.range(0, 6)).unwrap();
                let mut kafka = self.kafka.lock().unwrap();
                kafka.is_reachable = !kafka.is_reachable;
                kafka.calls_left = Some(calls);
            }
            9 => {
                let state = [Some(false), Some(true), None];
                let state = self.random.pick(&state).unwrap();
                self.set_cluster(state);
            }
            10 => self.restart(),
            _ => self.arrive(),
        }
    }

    fn restart(&mut self) {
        self.board = board(Kind::Topic);
        self.memory = Memory::default();
    }

    /// What moves arrives.
    fn arrive(&mut self) {
        for topic in self.kafka.lock().unwrap().topics.values_mut() {
            for (index, replicas) in std::mem::take(&mut topic.moving) {
                topic.partitions[index] = replicas;
            }
        }
    }

    /// One look; returns whether anybody was to be looked at.
    fn look(&mut self) {
        self.now += SignedDuration::from_secs(5);
        match self.cluster.clone() {
            Some(cluster) => self.board.handle_cluster(cluster),
            None => self.board.handle_cluster_gone(&Key::new("kafka", "c")),
        };
        self.store.show(&mut self.board);
        let Some(batch) = self.board.take(&Key::new("kafka", "c"), 0) else { return };
        let before = self.kafka.lock().unwrap().topics.clone();
        let resources = self.store.lock().objects.clone();
        let limits = MoveLimits { partitions_max: 3, leaving: BTreeSet::new() };
        let look = Look { kafka: &self.kafka, objects: &self.store, limits, now: self.now };
        let looked = look.round(batch, &mut self.memory);
        let again = futures::executor::block_on(looked);
        for (key, _) in again {
            self.board.mark([(key, Key::new("kafka", "c"))].into());
        }
        self.check_deletions(&resources);
        self.check_touched(&before, &resources);
    }

    /// A topic goes only with the owner of its name, and only if that says so.
    fn check_deletions(&self, resources: &BTreeMap<Key, KafkaTopic>) {
        for (name, id) in std::mem::take(&mut self.kafka.lock().unwrap().deleted) {
            let owner = owner(resources, &name).expect("somebody asked for it");
            assert!(owner.metadata.deletion_timestamp.is_some());
            assert_eq!(owner.spec.deletion_policy, DeletionPolicy::Delete);
            assert!(!owner.spec.paused && self.cluster.as_ref().is_some_and(|c| !c.spec.paused));
            assert_eq!(owner.status.as_ref().unwrap().topic_id.as_ref(), Some(&id));
        }
    }

    /// Nobody but the owner touches a topic, and nobody touches what the owner never named.
    fn check_touched(
        &self,
        before: &BTreeMap<String, Topic>,
        resources: &BTreeMap<Key, KafkaTopic>,
    ) {
        let mut kafka = self.kafka.lock().unwrap();
        for (name, topic) in &mut kafka.topics {
            let known = before.get(name).filter(|known| known.id == topic.id);
            let config = known.map(|known| known.config.clone()).unwrap_or_default();
            assert_eq!(config.get("foreign"), topic.config.get("foreign"));
            if known.is_none_or(|known| known.config != topic.config) {
                let owner = owner(resources, name).expect("a topic is changed for somebody");
                assert!(!owner.spec.paused);
                topic.owners = known.map(|known| known.owners.clone()).unwrap_or_default();
                topic.owners.insert(owner.uid().unwrap());
            }
        }
    }

    /// All is well outside, and long enough.
    fn calm(&mut self) {
        {
            let mut kafka = self.kafka.lock().unwrap();
            kafka.is_reachable = true;
            kafka.calls_left = None;
        }
        self.store.lock().faults_percent = 0;
        self.set_cluster(Some(false));
        for _ in 0..60 {
            self.board.mark_cluster(&Key::new("kafka", "c"));
            self.look();
            self.arrive();
        }
    }

    fn check_settled(&mut self, seed: u64) {
        let writes = self.store.lock().status_writes;
        self.board.mark_cluster(&Key::new("kafka", "c"));
        self.look();
        assert_eq!(
            self.store.lock().status_writes,
            writes,
            "seed {seed}: a calm status is not rewritten"
        );
        let resources = self.store.lock().objects.clone();
        let kafka = self.kafka.lock().unwrap();
        for (key, resource) in &resources {
            let name = resource.claimed();
            let at = format!("seed {seed}, {key} for {name}");
            assert!(resource.metadata.deletion_timestamp.is_none(), "{at}: hangs");
            let ready = resource.status.as_ref().and_then(|status| status.conditions.of(READY));
            let ready = ready.unwrap_or_else(|| panic!("{at}: was told nothing"));
            let is_owner = owner(&resources, name).is_some_and(|o| o.uid() == resource.uid());
            let expected = match () {
                () if key.namespace == "barred" => "NotAllowed",
                () if !is_owner => "NameTaken",
                () if resource.spec.paused => "Paused",
                () => "",
            };
            if !expected.is_empty() {
                assert_eq!(ready.reason, expected, "{at}");
                continue;
            }
            let wants_delete = resource.spec.deletion_policy == DeletionPolicy::Delete;
            assert_eq!(has_finalizer(&resource.metadata), wants_delete, "{at}");
            let config = resource.spec.config.properties().unwrap();
            let topic = kafka.topics.get(name);
            let count = topic.map_or(0, |topic| topic.partitions.len());
            if config.get("c").is_some_and(|value| value == "bad") {
                let is_fewer = resource.spec.partitions.is_some_and(|p| p < count as u32);
                let reason = if is_fewer { "FewerPartitions" } else { "Refused" };
                assert_eq!(ready.reason, reason, "{at}");
                continue;
            }
            let topic = topic.unwrap_or_else(|| panic!("{at}: there is no topic"));
            if resource.spec.partitions.is_some_and(|wanted| wanted < count as u32) {
                assert_eq!(ready.reason, "FewerPartitions", "{at}");
                continue;
            }
            if resource.spec.partitions.is_some_and(|wanted| wanted != count as u32) {
                panic!("{at}: {count} partitions");
            }
            let replicas = resource.spec.replicas;
            let is_sized = |p: &Vec<i32>| replicas.is_none_or(|wanted| p.len() == wanted as usize);
            if !topic.partitions.iter().all(is_sized) && replicas > Some(4) {
                assert_eq!(ready.reason, "TooFewBrokers", "{at}");
            } else {
                assert!(topic.partitions.iter().all(is_sized), "{at}: {:?}", topic.partitions);
                assert_eq!(ready.status, "True", "{at}: {}", ready.message);
                let told = resource.status.as_ref().unwrap();
                assert_eq!(told.topic_id.as_ref(), Some(&topic.id), "{at}");
                assert_eq!(told.partitions, Some(count as u32), "{at}");
            }
            for (name, value) in &config {
                assert_eq!(topic.config.get(name), Some(value), "{at}");
            }
            if topic.owners.len() == 1 && topic.owners.first() == resource.uid().as_ref() {
                let own = topic.config.keys().filter(|key| *key != "foreign");
                assert_eq!(own.collect::<Vec<_>>(), config.keys().collect::<Vec<_>>(), "{at}");
            }
        }
    }
}

/// The oldest of those that may.
fn owner<'a>(resources: &'a BTreeMap<Key, KafkaTopic>, name: &str) -> Option<&'a KafkaTopic> {
    let claimants = resources.values().filter(|topic| topic.claimed() == name);
    let allowed = claimants.filter(|topic| topic.namespace().as_deref() != Some("barred"));
    allowed.min_by_key(|topic| topic.age())
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    world.store.lock().faults_percent = seed % 3 * 10;
    for _ in 0..60 {
        for _ in 0..world.random.range(0, 4) {
            world.disturb();
        }
        world.look();
    }
    world.calm();
    world.check_settled(seed);
}

#[test]
fn whatever_happened_topics_end_as_their_owners_want_them() {
    for seed in 0..400 {
        run(seed);
    }
}

#[test]
fn thousands_of_unchanged_topics_cost_two_requests_for_each_batch() {
    let mut world = World::new(1);
    for index in 0..1_200 {
        let mut spec = world.spec();
        spec.topic_name = None;
        spec.paused = false;
        spec.replicas = None;
        spec.config = Config([("a".to_owned(), "1".into())].into());
        world.store.make("kafka", KafkaTopic::new(&format!("t{index}"), spec), world.now);
    }
    for _ in 0..3 {
        world.look();
    }
    assert_eq!(world.kafka.lock().unwrap().topics.len(), 1_200);
    world.kafka.lock().unwrap().calls = 0;
    let writes = world.store.lock().status_writes;
    world.board.mark_cluster(&Key::new("kafka", "c"));
    for _ in 0..3 {
        world.look();
    }
    assert_eq!(world.kafka.lock().unwrap().calls, 2 * 3);
    assert_eq!(world.store.lock().status_writes, writes);
}

/// A world with one topic, made, that goes with its resource `shop/r`; the topic's name.
fn world_with_one() -> (World, String) {
    let mut world = World::new(1);
    let mut spec = world.spec();
    (spec.deletion_policy, spec.paused) = (DeletionPolicy::Delete, false);
    spec.config = Config::default();
    let name = spec.topic_name.clone().unwrap();
    world.store.make("shop", KafkaTopic::new("r", spec), world.now);
    world.look();
    (world, name)
}

#[test]
fn unreachable_kafka_keeps_no_namespace_from_going() {
    let (mut world, name) = world_with_one();
    world.kafka.lock().unwrap().is_reachable = false;
    world.store.delete(&Key::new("shop", "r"), world.now);
    for _ in 0..24 {
        assert!(!world.store.lock().objects.is_empty());
        world.look();
    }
    world.look();
    assert!(world.store.lock().objects.is_empty());
    assert!(world.kafka.lock().unwrap().topics.contains_key(&name));
    let notes = world.store.lock().notes.clone();
    assert!(notes[0].1.text.contains("is left in Kafka"), "{notes:?}");
}

#[test]
fn topic_goes_though_the_broker_that_is_asked_has_not_heard_of_it_yet() {
    let (mut world, name) = world_with_one();
    assert!(world.kafka.lock().unwrap().topics.contains_key(&name));
    world.kafka.lock().unwrap().is_behind = true;
    world.store.delete(&Key::new("shop", "r"), world.now);
    world.look();
    assert!(world.store.lock().objects.is_empty());
    assert!(!world.kafka.lock().unwrap().topics.contains_key(&name));
}
