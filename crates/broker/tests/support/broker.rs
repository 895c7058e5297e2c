//! A broker over a log in memory, and clients on pipes in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_broker::mqtt::{Mqtt, MqttOptions};
use klamm_broker::{
    Ingest, Interests, Metrics, RouteConfig, RouteTable, Subscriptions, Surroundings, Topics,
};
use klamm_kafka_proto::records::{BatchBuilder, Header, Record, batches, records};
use klamm_log::{Durability, Log};
use klamm_mqtt::{Client, ClientError, ClientOptions, Connect, Limits, Message, ProtocolVersion};

use super::memory_log::MemoryLog;

pub const V3: ProtocolVersion = ProtocolVersion::V3;
pub const V5: ProtocolVersion = ProtocolVersion::V5;

/// Everything between clients and the log.
pub struct Broker {
    pub log: Arc<MemoryLog>,
    pub metrics: Arc<Metrics>,
    pub subscriptions: Arc<Subscriptions>,
    pub interests: Arc<Interests>,
    pub mqtt: Arc<Mqtt>,
    pub limits: Limits,
    topics: Arc<Topics>,
}

impl Broker {
    pub fn new() -> Self {
        Self::with(MqttOptions::default(), &[])
    }

    pub fn with(options: MqttOptions, routes: &[RouteConfig]) -> Self {
        let log = MemoryLog::new();
        let mut routes = routes.to_vec();
        routes.push(RouteConfig::default_route("mqtt", 2));
        let routes = Arc::new(RouteTable::new(&routes).unwrap());
        let topics = Arc::new(Topics::new(Arc::<MemoryLog>::clone(&log)));
        let metrics = Arc::<Metrics>::default();
        let subscriptions = Arc::<Subscriptions>::default();
        let around = Arc::new(Surroundings {
            routes: Arc::clone(&routes),
            subscriptions: Arc::clone(&subscriptions),
            metrics: Arc::clone(&metrics),
        });
        let ingest = Arc::new(Ingest::new(Arc::clone(&topics), routes, Arc::clone(&metrics)));
        let interests = Interests::new(Arc::clone(&topics), Arc::clone(&around));
        let mqtt = Mqtt::new(ingest, Arc::clone(&interests), &around, log.status(), options);
        let limits = Limits::default();
        Self { log, metrics, subscriptions, interests, mqtt, limits, topics }
    }

    /// A client over a pipe of so many bytes each way.
    pub async fn client_over(
        &self,
        pipe_bytes: usize,
        options: ClientOptions,
    ) -> Result<Client, ClientError> {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let (mqtt, limits) = (Arc::clone(&self.mqtt), self.limits);
        tokio::spawn(async move {
            let address = "127.0.0.1:1".parse().unwrap();
            if let Ok(connect) = Connect::read(far, address, address, limits).await {
                mqtt.serve(connect).await;
            }
        });
        Client::over(near, options).await
    }

    pub async fn try_client(&self, options: ClientOptions) -> Result<Client, ClientError> {
        self.client_over(64 << 10, options).await
    }

    pub async fn client(&self, version: ProtocolVersion, client_id: &str) -> Client {
        self.try_client(ClientOptions::new(version, client_id)).await.unwrap()
    }

    /// Appends a record as a plain Kafka producer would.
    pub async fn append_record(
        &self,
        topic: &str,
        key: Option<&str>,
        value: Option<&str>,
        headers: &[Header],
    ) {
        let open = self.topics.find_or_create(topic, 1).await.unwrap();
        let mut builder = BatchBuilder::new();
        builder.append(1000, key.map(str::as_bytes), value.map(str::as_bytes), headers);
        let pending = open.partitions[0].append(builder.build(), Durability::Synced).unwrap();
        pending.await.unwrap();
    }

    /// Every record of a topic.
    pub fn records(&self, topic: &str) -> Vec<Record> {
        let mut all = Vec::new();
        for bytes in self.log.batches(topic) {
            for batch in batches(bytes) {
                let (_, batch): (_, Bytes) = batch.unwrap();
                all.extend(records(&batch, 1 << 20).unwrap().map(Result::unwrap));
            }
        }
        all
    }
}

/// The next message, which must come within a minute of the clock that only tests move.
pub async fn next(client: &Client) -> Message {
    tokio::time::timeout(Duration::from_secs(60), client.next()).await.expect("a message").unwrap()
}

pub async fn nothing_comes(client: &Client) {
    if let Ok(message) = tokio::time::timeout(Duration::from_secs(1), client.next()).await {
        panic!("{message:?}");
    }
}
