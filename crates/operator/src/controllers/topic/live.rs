//! Topics on a real Apache Kafka.

use k8s_openapi::jiff::Timestamp;
use klamm_crd::{
    ClusterRef, Conditions, Config, DeletionPolicy, KafkaCluster, KafkaClusterSpec, KafkaTopic,
    KafkaTopicSpec,
};

use super::To;
use super::admin::TopicAdmin;
use super::apply::{Connect, Look, Memory};
use super::settle::MoveLimits;
use crate::controllers::claims::Kind;
use crate::controllers::model::{Store, board};
use crate::controllers::registry::Key;
use crate::controllers::status::READY;
use crate::kafka::Connections;

struct Topics<'a> {
    store: Store<KafkaTopic>,
    connections: &'a Connections,
}

impl Topics<'_> {
    fn make(&self, name: &str, partitions: Option<u32>, config: &[(&str, &str)]) {
        let spec = KafkaTopicSpec {
            cluster: ClusterRef { name: "c".into(), namespace: None },
            partitions,
            config: properties(config),
            deletion_policy: DeletionPolicy::Delete,
            ..KafkaTopicSpec::default()
        };
        self.store.make("kafka", KafkaTopic::new(name, spec), Timestamp::now());
    }

    fn to(&self) -> To<'_> {
        To { connections: self.connections, cluster: Key::new("kafka", "c") }
    }

    async fn look(&self) {
        let mut board = board(Kind::Topic);
        let mut cluster = KafkaCluster::new("c", KafkaClusterSpec::default());
        cluster.metadata.namespace = Some("kafka".into());
        board.handle_cluster(cluster);
        self.store.show(&mut board);
        let Some(batch) = board.take(&Key::new("kafka", "c"), 0) else { return };
        let limits = MoveLimits { partitions_max: 20, ..MoveLimits::default() };
        let (kafka, objects, now) = (&self.to(), &self.store, Timestamp::now());
        Look { kafka, objects, limits, now }.round(batch, &mut Memory::default()).await;
    }

    /// What a brokers' metadata has not caught up with yet is looked at once more.
    async fn until(&self, name: &str, reason: &str, message: &str) {
        let patience = tokio::time::Instant::now() + 4 * klamm_testkit::PATIENCE;
        loop {
            self.look().await;
            let told = self.told(name);
            if told.0 == reason && told.1.contains(message) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < patience,
                "{name}: {told:?}, not {reason} {message}"
            );
        }
    }

    fn told(&self, name: &str) -> (String, String) {
        let inner = self.store.lock();
        let status = inner.objects[&Key::new("kafka", name)].status.clone().unwrap_or_default();
        let ready = status.conditions.of(READY).cloned();
        ready.map(|ready| (ready.reason, ready.message)).unwrap_or_default()
    }

    async fn config(&self, name: &str) -> Vec<(String, String)> {
        let mut admin = self.to().connect().await.unwrap();
        let keys = ["retention.ms", "cleanup.policy"].into();
        let mut answers = admin.configs(&[name], &keys).await.unwrap();
        let config = answers.remove(name).unwrap().unwrap();
        config.into_iter().collect()
    }
}

fn properties(config: &[(&str, &str)]) -> Config {
    Config(config.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect())
}

pub(crate) async fn topics_of_all_kinds(connections: &Connections) {
    let topics = Topics { store: Store::new(1), connections };
    topics.make("plain", None, &[]);
    topics.make(
        "sized",
        Some(3),
        &[("retention.ms", "1000"), ("cleanup.policy", "compact, delete")],
    );
    topics.make("wrong", Some(1), &[("retention.ms", "soon")]);
    topics.until("plain", "Made", "4 partitions, 1 replicas").await;
    topics.until("sized", "Made", "3 partitions").await;
    topics.until("wrong", "Refused", "soon").await;
    assert_eq!(topics.config("sized").await.len(), 2);

    let key = Key::new("kafka", "sized");
    topics.store.change(&key, |spec| {
        spec.partitions = Some(5);
        spec.config = properties(&[("retention.ms", "2000")]);
    });
    topics.until("sized", "Changed", "5 partitions").await;
    let expected = [("retention.ms".to_owned(), "2000".to_owned())];
    let patience = tokio::time::Instant::now() + 4 * klamm_testkit::PATIENCE;
    while topics.config("sized").await != expected {
        assert!(tokio::time::Instant::now() < patience, "{:?}", topics.config("sized").await);
    }

    topics.store.change(&key, |spec| spec.replicas = Some(2));
    topics.until("sized", "TooFewBrokers", "there are 1 brokers").await;

    let plain = Key::new("kafka", "plain");
    let mut kafka = topics.to().connect().await.unwrap().0;
    kafka.delete_topics(&["plain"]).await.unwrap()["plain"].clone().unwrap();
    topics.until("plain", "MadeAgain", "was gone").await;
    topics.store.delete(&plain, Timestamp::now());
    topics.look().await;
    assert!(!topics.store.lock().objects.contains_key(&plain));
    let answer = kafka.delete_topics(&["plain"]).await.unwrap();
    assert!(answer["plain"].is_err(), "it is gone already");
}
