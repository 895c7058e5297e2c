//! The controller against a Kafka, Secrets and an API server in memory: random edits, conflicts, outages and restarts.

mod checks;
mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use klamm_crd::{
    Acl, AclOperation, AclPermission, AclResource, AclResourceType, Authentication, Authorization,
    ClusterRef, Conditions, KafkaCluster, KafkaClusterSpec, KafkaUser, KafkaUserSpec, Listener,
    ListenerAuthentication, ListenerTls, PatternType, Quotas, SecretKeyRef,
};
use klamm_kafka::KafkaError;
use klamm_kafka::admin::{Acl as KafkaAcl, Outcomes};
use kube::ResourceExt;

use super::admin::{Credential, QuotaChange, Quotas as KafkaQuotas, UserAdmin};
use super::apply::{Connect, Look, Memory};
use super::secrets::{Secrets, Stored};
use super::validate::secret_name;
use crate::ca::{Authority, Lifetime, Role, Secret, SystemKeys};
use crate::controllers::board::Board;
use crate::controllers::claims::Kind;
use crate::controllers::model::{Store, board};
use crate::controllers::registry::{Claimant, Key};
use crate::controllers::status::READY;
use crate::random::Random;
use checks::foreign;

#[derive(Debug, Default)]
struct Kafka {
    passwords: BTreeMap<String, String>,
    acls: BTreeSet<KafkaAcl>,
    quotas: BTreeMap<String, KafkaQuotas>,
    is_away: bool,
    calls_left: Option<usize>,
    credentials_set: usize,
}

type Shared = Arc<Mutex<Kafka>>;

struct Fake(Shared);

impl Fake {
    fn call(&self) -> Result<MutexGuard<'_, Kafka>, KafkaError> {
        let mut kafka = self.0.lock().unwrap();
        let is_cut = kafka.calls_left == Some(0);
        kafka.calls_left = kafka.calls_left.map(|left| left.saturating_sub(1));
        if is_cut || kafka.is_away { Err(KafkaError::Closed) } else { Ok(kafka) }
    }
}

impl UserAdmin for Fake {
    async fn credentials(&mut self, users: &[&str]) -> Result<Outcomes<String, bool>, KafkaError> {
        let kafka = self.call()?;
        let has_one = |user: &&str| ((*user).to_owned(), Ok(kafka.passwords.contains_key(*user)));
        Ok(users.iter().map(has_one).collect())
    }

    async fn set_credentials(
        &mut self,
        credentials: &[Credential],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut kafka = self.call()?;
        let names: BTreeSet<&String> = credentials.iter().map(|one| &one.user).collect();
        assert_eq!(names.len(), credentials.len(), "Kafka refuses two changes of one user");
        kafka.credentials_set += credentials.len();
        for one in credentials {
            match one.password.clone() {
                Some(password) => kafka.passwords.insert(one.user.clone(), password),
                None => kafka.passwords.remove(&one.user),
            };
        }
        Ok(credentials.iter().map(|one| (one.user.clone(), Ok(()))).collect())
    }

    async fn acls(&mut self) -> Result<BTreeSet<KafkaAcl>, KafkaError> {
        Ok(self.call()?.acls.clone())
    }

    async fn create_acls(
        &mut self,
        acls: &[KafkaAcl],
    ) -> Result<Vec<(KafkaAcl, KafkaError)>, KafkaError> {
        self.call()?.acls.extend(acls.iter().cloned());
        Ok(Vec::new())
    }

    async fn delete_acls(
        &mut self,
        acls: &[KafkaAcl],
    ) -> Result<Vec<(KafkaAcl, KafkaError)>, KafkaError> {
        self.call()?.acls.retain(|acl| !acls.contains(acl));
        Ok(Vec::new())
    }

    async fn quotas(&mut self) -> Result<BTreeMap<String, KafkaQuotas>, KafkaError> {
        Ok(self.call()?.quotas.clone())
    }

    async fn set_quotas(
        &mut self,
        changes: &[QuotaChange],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut kafka = self.call()?;
        for change in changes {
            let quotas = kafka.quotas.entry(change.user.clone()).or_default();
            for (name, value) in &change.quotas {
                match value {
                    Some(value) => quotas.insert(name.clone(), *value),
                    None => quotas.remove(name),
                };
            }
        }
        kafka.quotas.retain(|_, quotas| !quotas.is_empty());
        Ok(changes.iter().map(|change| (change.user.clone(), Ok(()))).collect())
    }
}

impl Connect for Shared {
    type Admin = Fake;

    async fn connect(&self) -> Result<Fake, String> {
        Ok(Fake(Arc::clone(self)))
    }
}

#[derive(Debug)]
pub(crate) struct Vault {
    stored: BTreeMap<Key, Stored>,
    version: u64,
    random: Random,
    faults_percent: u64,
}

pub(crate) struct FakeSecrets(Mutex<Vault>);

impl FakeSecrets {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Vault {
            stored: BTreeMap::new(),
            version: 0,
            random: Random::new(seed),
            faults_percent: 0,
        }))
    }

    pub(crate) fn delivered(&self, name: &str) -> Secret {
        self.0.lock().unwrap().stored[&Key::new("kafka", name)].secret.clone()
    }
}

impl Vault {
    fn put(&mut self, key: &Key, owner: Option<String>, secret: Secret) -> Stored {
        self.version += 1;
        let stored = Stored { secret, owner, version: Some(self.version.to_string()) };
        self.stored.insert(key.clone(), stored.clone());
        stored
    }

    fn fault(&mut self) -> Result<(), String> {
        let percent = self.faults_percent;
        if self.random.chance(percent) { Err("no answer".to_owned()) } else { Ok(()) }
    }
}

impl Secrets for FakeSecrets {
    async fn read(&self, key: &Key) -> Result<Option<Stored>, String> {
        let mut vault = self.0.lock().unwrap();
        vault.fault()?;
        Ok(vault.stored.get(key).cloned())
    }

    async fn write(
        &self,
        user: &KafkaUser,
        key: &Key,
        secret: &Secret,
        there: Option<&Stored>,
    ) -> Result<Option<Stored>, String> {
        let mut vault = self.0.lock().unwrap();
        vault.fault()?;
        let known = vault.stored.get(key);
        if known.and_then(|known| known.version.as_ref()) != there.and_then(|t| t.version.as_ref())
        {
            return Ok(None);
        }
        let owner = known.map_or_else(|| user.uid(), |known| known.owner.clone());
        assert_eq!(owner, user.uid(), "nobody else's Secret is written");
        let stored = vault.put(key, owner, secret.clone());
        vault.fault()?;
        Ok(Some(stored))
    }

    async fn delete(&self, key: &Key, there: &Stored) -> Result<(), String> {
        let mut vault = self.0.lock().unwrap();
        vault.fault()?;
        if vault.stored.get(key) == Some(there) {
            vault.stored.remove(key);
        }
        Ok(())
    }
}

fn listener(name: &str, authentication: ListenerAuthentication) -> Listener {
    Listener {
        name: name.into(),
        port: 9092,
        tls: Some(ListenerTls::default()),
        authentication: Some(authentication),
    }
}

fn cluster(paused: bool, generation: i64) -> KafkaCluster {
    let spec = KafkaClusterSpec {
        authorization: Some(Authorization { super_users: vec!["User:root".into()] }),
        listeners: vec![
            listener("scram", ListenerAuthentication::ScramSha512),
            listener("tls", ListenerAuthentication::Tls),
        ],
        paused,
        ..KafkaClusterSpec::default()
    };
    let mut cluster = KafkaCluster::new("c", spec);
    cluster.metadata.namespace = Some("kafka".into());
    cluster.metadata.generation = Some(generation);
    cluster
}

/// Any bytes that are not twice the same.
fn counted(bytes: &mut [u8]) -> Result<(), String> {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let mut random = Random::new(COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    bytes.iter_mut().for_each(|byte| *byte = random.bits().to_be_bytes()[0]);
    Ok(())
}

struct World {
    random: Random,
    store: Store<KafkaUser>,
    secrets: FakeSecrets,
    kafka: Shared,
    board: Board<KafkaUser>,
    memory: Memory,
    cluster: Option<KafkaCluster>,
    now: Timestamp,
    generation: i64,
}

const FOREIGN: &str = "User:somebody";

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let world = Self {
            random: Random::new(seed),
            store: Store::new(seed),
            secrets: FakeSecrets::new(seed ^ 7),
            kafka: Shared::default(),
            board: board(Kind::User),
            memory: Memory::default(),
            cluster: Some(cluster(false, 1)),
            now,
            generation: 1,
        };
        world.authorities(now);
        world
    }

    /// What the cluster's own controller keeps.
    fn authorities(&self, now: Timestamp) {
        let now_s = now.as_second().unsigned_abs();
        for (role, name) in [(Role::Internal, "c-trust"), (Role::Clients, "c-clients-ca")] {
            let made = Authority::make(role, "c", 1, Lifetime::YEAR, now_s, &mut SystemKeys);
            let made = made.unwrap();
            let mut secret = Secret::default();
            let pem = made.certificate().to_pem().into_bytes();
            secret.data.insert("ca.crt".into(), pem.clone());
            secret.data.insert("bundle.crt".into(), pem);
            secret.data.insert("ca.key".into(), made.key().unwrap().to_pem());
            self.secrets.0.lock().unwrap().put(&Key::new("kafka", name), None, secret);
        }
    }

    fn look(&mut self) {
        self.now += SignedDuration::from_secs(5);
        let cluster_key = Key::new("kafka", "c");
        match self.cluster.clone() {
            Some(cluster) => self.board.handle_cluster(cluster),
            None => self.board.handle_cluster_gone(&cluster_key),
        };
        self.store.show(&mut self.board);
        let Some(batch) = self.board.take(&cluster_key, 0) else { return };
        let look = Look {
            kafka: &self.kafka,
            objects: &self.store,
            secrets: &self.secrets,
            random: counted,
            now: self.now,
        };
        let again = futures::executor::block_on(look.round(batch, &mut self.memory));
        self.board.mark(again.into_iter().map(|(key, _)| (key, cluster_key.clone())).collect());
        self.collect_garbage();
    }

    /// Kubernetes deletes what a deleted resource owned.
    fn collect_garbage(&self) {
        let inner = self.store.lock();
        let uids: BTreeSet<String> = inner.objects.values().filter_map(ResourceExt::uid).collect();
        let mut vault = self.secrets.0.lock().unwrap();
        vault.stored.retain(|_, s| s.owner.as_ref().is_none_or(|owner| uids.contains(owner)));
    }

    /// All is well outside, and long enough.
    fn calm(&mut self) {
        {
            let mut kafka = self.kafka.lock().unwrap();
            (kafka.is_away, kafka.calls_left) = (false, None);
        }
        self.store.lock().faults_percent = 0;
        self.secrets.0.lock().unwrap().faults_percent = 0;
        self.generation += 1;
        self.cluster = Some(cluster(false, self.generation));
        for _ in 0..30 {
            self.board.mark_cluster(&Key::new("kafka", "c"));
            self.look();
        }
    }
}

#[test]
fn whatever_happened_users_end_as_their_owners_want_them() {
    for seed in 0..150 {
        let mut world = World::new(seed);
        world.kafka.lock().unwrap().acls.insert(foreign());
        world.store.lock().faults_percent = seed % 3 * 10;
        world.secrets.0.lock().unwrap().faults_percent = seed % 3 * 10;
        for _ in 0..40 {
            for _ in 0..world.random.range(0, 4) {
                world.disturb();
            }
            world.look();
        }
        world.calm();
        world.check_settled(seed);
    }
}

fn one(authentication: Authentication) -> World {
    let mut world = World::new(1);
    let mut spec = world.spec();
    (spec.authentication, spec.password, spec.secret_name) = (authentication, None, None);
    spec.user_name = Some("ann".into());
    world.store.make("kafka", KafkaUser::new("r", spec), world.now);
    world.look();
    world
}

impl World {
    fn ready(&self) -> klamm_crd::Condition {
        let inner = self.store.lock();
        let status = inner.objects[&Key::new("kafka", "r")].status.clone().unwrap();
        status.conditions.of(READY).unwrap().clone()
    }

    fn delivered(&self) -> Secret {
        self.secrets.delivered("r-kafka")
    }
}

#[test]
fn secret_of_somebody_else_is_not_written() {
    let mut world = World::new(1);
    world.put_secret("r-kafka", "precious", "thing");
    let mut spec = world.spec();
    (spec.secret_name, spec.password) = (None, None);
    world.store.make("kafka", KafkaUser::new("r", spec), world.now);
    world.look();
    assert_eq!(world.ready().reason, "SecretTaken");
    assert_eq!(world.delivered().data.keys().collect::<Vec<_>>(), ["precious"]);
}

#[test]
fn certificate_is_renewed_before_it_ends_and_not_earlier() {
    let mut world = one(Authentication::Tls);
    assert_eq!(world.ready().status, "True", "{}", world.ready().message);
    let first = world.delivered().data["user.crt"].clone();
    let later = |world: &mut World, days: i64| {
        world.now += SignedDuration::from_hours(24 * days);
        world.board.mark_cluster(&Key::new("kafka", "c"));
        world.look();
        world.delivered().data["user.crt"].clone()
    };
    assert_eq!(later(&mut world, 300), first);
    world.authorities(world.now);
    assert_ne!(later(&mut world, 1), first);
}

#[test]
fn super_user_cannot_be_declared_elsewhere() {
    let mut world = World::new(1);
    let mut cluster = cluster(false, 2);
    cluster.spec.claims = vec![klamm_crd::Claim {
        namespaces: Some(vec!["shop".into()]),
        users: vec!["*".into()],
        ..klamm_crd::Claim::default()
    }];
    world.cluster = Some(cluster);
    let mut spec = world.spec();
    spec.cluster.namespace = Some("kafka".into());
    (spec.user_name, spec.authentication) = (Some("root".into()), Authentication::ScramSha512);
    world.store.make("shop", KafkaUser::new("r", spec), world.now);
    world.look();
    let user = world.store.lock().objects[&Key::new("shop", "r")].clone();
    assert_eq!(user.status.unwrap().conditions.of(READY).unwrap().reason, "NotAllowed");
    assert!(world.kafka.lock().unwrap().passwords.is_empty());
}

#[test]
fn deleted_user_leaves_nothing_in_kafka() {
    let mut world = one(Authentication::ScramSha512);
    assert!(world.kafka.lock().unwrap().passwords.contains_key("ann"));
    world.store.delete(&Key::new("kafka", "r"), world.now);
    world.look();
    assert!(world.store.lock().objects.is_empty());
    let kafka = world.kafka.lock().unwrap();
    assert!(kafka.passwords.is_empty() && kafka.acls.is_empty() && kafka.quotas.is_empty());
}
