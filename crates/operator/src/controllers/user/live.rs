//! Users on a real Apache Kafka: those who were made log in, and their rules bind.

use k8s_openapi::jiff::Timestamp;
use klamm_crd::{
    Acl, AclOperation, AclPermission, AclResource, AclResourceType, Authentication, Authorization,
    ClusterRef, Conditions, KafkaCluster, KafkaClusterSpec, KafkaUser, KafkaUserSpec, Listener,
    ListenerAuthentication, PatternType, Quotas,
};
use klamm_kafka::KafkaError;
use klamm_kafka::admin::{Admin, Endpoint};
use klamm_kafka::client::ClientOptions;
use klamm_kafka::security::{Mechanism, Sasl, ScramMechanism, Security};
use klamm_kafka_proto::ErrorCode;

use super::To;
use super::admin::UserAdmin;
use super::apply::{Connect, Look, Memory};
use super::model::FakeSecrets;
use crate::controllers::claims::Kind;
use crate::controllers::model::{Store, board};
use crate::controllers::registry::Key;
use crate::controllers::status::READY;
use crate::kafka::Connections;

fn cluster() -> KafkaCluster {
    let spec = KafkaClusterSpec {
        authorization: Some(Authorization::default()),
        listeners: vec![Listener {
            name: "scram".into(),
            port: 9092,
            tls: None,
            authentication: Some(ListenerAuthentication::ScramSha512),
        }],
        ..KafkaClusterSpec::default()
    };
    let mut cluster = KafkaCluster::new("c", spec);
    cluster.metadata.namespace = Some("kafka".into());
    cluster
}

fn user() -> KafkaUser {
    let acl = Acl {
        resource: AclResource {
            kind: AclResourceType::Topic,
            name: "open.".into(),
            pattern_type: PatternType::Prefixed,
        },
        operations: vec![AclOperation::Describe, AclOperation::Create],
        host: "*".into(),
        permission: AclPermission::Allow,
    };
    let spec = KafkaUserSpec {
        cluster: ClusterRef { name: "c".into(), namespace: None },
        user_name: None,
        authentication: Authentication::ScramSha512,
        acls: Some(vec![acl]),
        quotas: Some(Quotas { producer_byte_rate: Some(1_000_000), ..Quotas::default() }),
        secret_name: None,
        password: None,
    };
    KafkaUser::new("ann", spec)
}

struct Users<'a> {
    store: Store<KafkaUser>,
    secrets: FakeSecrets,
    connections: &'a Connections,
}

impl Users<'_> {
    fn to(&self) -> To<'_> {
        To { connections: self.connections, cluster: Key::new("kafka", "c") }
    }

    async fn look(&self) {
        let mut board = board(Kind::User);
        board.handle_cluster(cluster());
        self.store.show(&mut board);
        let Some(batch) = board.take(&Key::new("kafka", "c"), 0) else { return };
        let look = Look {
            kafka: &self.to(),
            objects: &self.store,
            secrets: &self.secrets,
            random: super::system_random,
            now: Timestamp::now(),
        };
        look.round(batch, &mut Memory::default()).await;
    }

    fn security(&self) -> Security {
        let secret = self.secrets.delivered("ann-kafka");
        let entry = |key: &str| String::from_utf8(secret.data[key].clone()).unwrap();
        assert_eq!(entry("security.protocol"), "SASL_PLAINTEXT");
        let (user, password) = (entry("username"), entry("password"));
        let mechanism = Mechanism::Scram(ScramMechanism::Sha512);
        Security::default().with_sasl(Sasl { mechanism, user, password })
    }
}

/// Whatever it takes the brokers to hear of what the controller was told.
async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, KafkaError>,
    is_so: impl Fn(&Result<T, KafkaError>) -> bool,
) {
    let patience = tokio::time::Instant::now() + 4 * klamm_testkit::PATIENCE;
    loop {
        let answer = ask().await;
        if is_so(&answer) {
            return;
        }
        assert!(tokio::time::Instant::now() < patience, "{what}: {:?}", answer.err());
    }
}

pub(crate) async fn user_logs_in_and_its_rules_bind(connections: &Connections, server: &str) {
    let users = Users { store: Store::new(1), secrets: FakeSecrets::new(1), connections };
    users.store.make("kafka", user(), Timestamp::now());
    users.look().await;
    let status = users.store.lock().objects[&Key::new("kafka", "ann")].status.clone().unwrap();
    let ready = status.conditions.of(READY).unwrap().clone();
    assert_eq!(ready.status, "True", "{}", ready.message);
    assert_eq!(status.principal.as_deref(), Some("User:ann"));

    let options = ClientOptions::new("ann").with_security(users.security());
    let mut own = Admin::new(server, Endpoint::Brokers, options);
    let refused = |code: ErrorCode| {
        move |answer: &Result<(), KafkaError>| {
            answer.as_ref().err().and_then(KafkaError::code) == Some(code)
        }
    };
    let mut create = async |name: &str| {
        let topic = klamm_kafka::admin::NewTopic {
            name: name.to_owned(),
            partitions: Some(1),
            ..klamm_kafka::admin::NewTopic::default()
        };
        let mut answers = own.create_topics(&[topic], true).await?;
        answers.remove(name).unwrap_or(Err(KafkaError::Closed)).map(|_| ())
    };
    until("a topic within the rules", async || create("open.a").await, Result::is_ok).await;
    let barred = refused(ErrorCode::TopicAuthorizationFailed);
    until("a topic without rules", async || create("closed").await, barred).await;

    users.store.delete(&Key::new("kafka", "ann"), Timestamp::now());
    users.look().await;
    assert!(users.store.lock().objects.is_empty());
    let mut admin = users.to().connect().await.unwrap();
    let gone = async || {
        let credentials = admin.credentials(&["ann"]).await?;
        let left = (admin.acls().await?.len(), admin.quotas().await?.len());
        Ok((*credentials["ann"].as_ref().unwrap_or(&true), left))
    };
    until("nothing left of the user", gone, |answer| matches!(answer, Ok((false, (0, 0))))).await;
}
