//! The way to a partition's leader, found again whenever it is lost. Every step has its time.

use std::collections::BTreeMap;
use std::time::Duration;

use klamm_kafka::KafkaError;
use klamm_kafka::client::{Client, ClientOptions};
use klamm_kafka::cluster::check;
use klamm_kafka::security::Security;
use klamm_kafka_proto::messages::metadata::{
    Metadata, MetadataRequest, MetadataRequestTopic, MetadataResponse,
};
use klamm_kafka_proto::{Api, ApiKey, ErrorCode, Uuid};
use tokio::time::timeout;

/// For a connection and its first exchange.
const CONNECT: Duration = Duration::from_secs(1);
/// With a handshake, for which a broker that has just started compiles its code first.
const SECURE: Duration = Duration::from_secs(3);
/// For a request.
pub(crate) const REQUEST: Duration = Duration::from_secs(3);

/// Connections of one task.
#[derive(Debug)]
pub(crate) struct Brokers {
    /// Credentials that cannot be read fail each connection with that word.
    options: Result<ClientOptions, String>,
    bootstrap: Vec<String>,
    known: BTreeMap<i32, String>,
    open: Option<(i32, Client)>,
}

impl Brokers {
    pub(crate) fn new(bootstrap: &str, security: Result<Security, String>) -> Self {
        let bootstrap = bootstrap.split(',').map(|server| server.trim().to_owned()).collect();
        let options = security.map(|security| {
            let connect_time = if security.tls.is_some() { SECURE } else { CONNECT };
            let options = ClientOptions::new("klamm-e2e").with_security(security);
            ClientOptions { connect_time, ..options }
        });
        Self { options, bootstrap, known: BTreeMap::new(), open: None }
    }

    /// Metadata of one topic, or of all, from whichever broker answers first.
    pub(crate) async fn metadata(
        &mut self,
        topic: Option<&str>,
    ) -> Result<MetadataResponse, KafkaError> {
        let named =
            |name: &str| MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topic.map(|name| vec![named(name)]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let response = self.any::<Metadata>(&request).await?;
        let place = |b: &klamm_kafka_proto::messages::metadata::MetadataBroker| {
            (b.node_id, format!("{}:{}", b.host, b.port))
        };
        self.known = response.brokers.iter().map(place).collect();
        Ok(response)
    }

    /// Calls an API of any broker.
    pub(crate) async fn any<A: Api>(
        &mut self,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        let mut last = KafkaError::Closed;
        for server in self.known.values().chain(&self.bootstrap) {
            let asked = async {
                let mut client = self.connect(server).await?;
                within(REQUEST, client.call::<A>(request)).await
            };
            match asked.await {
                Ok(response) => return Ok(response),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Calls an API of a partition's leader. After an error the leader is looked for anew the next time.
    pub(crate) async fn leader<A: Api>(
        &mut self,
        topic: &str,
        partition: i32,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        if self.open.is_none() {
            self.open = Some(self.find(topic, partition).await?);
        }
        let Some((_, client)) = &mut self.open else { return Err(KafkaError::Closed) };
        let version = match A::KEY {
            key @ (ApiKey::Produce | ApiKey::Fetch) => client.version_for(key, Uuid::default())?,
            key => client.version(key)?,
        };
        let called = within(REQUEST, client.call_at::<A>(version, request)).await;
        if called.is_err() {
            self.open = None;
        }
        called
    }

    /// What the leader said means that it is not the leader, or not for now.
    pub(crate) fn forget(&mut self) {
        self.open = None;
    }

    async fn find(&mut self, topic: &str, partition: i32) -> Result<(i32, Client), KafkaError> {
        let response = self.metadata(Some(topic)).await?;
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let found = partitions.into_iter().find(|p| p.partition_index == partition);
        let away = || KafkaError::Refused {
            what: format!("leader of {topic}-{partition}"),
            code: ErrorCode::LeaderNotAvailable,
            message: None,
        };
        let found = found.ok_or_else(away)?;
        check(found.error_code, || format!("{topic}-{partition}"))?;
        let server = self.known.get(&found.leader_id).ok_or_else(away)?;
        Ok((found.leader_id, self.connect(server).await?))
    }

    async fn connect(&self, server: &str) -> Result<Client, KafkaError> {
        let options = self.options.as_ref();
        let options = options.map_err(|why| KafkaError::Credentials(why.clone()))?;
        Client::connect_with(server, options).await
    }
}

async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, KafkaError>>,
) -> Result<T, KafkaError> {
    timeout(limit, what).await.unwrap_or(Err(KafkaError::Idle("no answer in time")))
}
