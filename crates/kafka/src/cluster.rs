//! Several brokers as one: who leads what, and a connection to each that is needed.

use std::collections::HashMap;

use bytes::Bytes;
use klamm_kafka_proto::messages::metadata::{
    Metadata, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
use klamm_kafka_proto::messages::produce::{
    PartitionProduceData, Produce, ProduceRequest, TopicProduceData,
};
use klamm_kafka_proto::{ApiKey, ErrorCode, Str};

use crate::KafkaError;
use crate::client::{Client, ClientOptions};

/// The brokers of a cluster. Connections are made when they are first needed and forgotten when they fail.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: Vec<String>,
    options: ClientOptions,
    brokers: HashMap<i32, String>,
    controller: i32,
    open: HashMap<i32, Client>,
}

impl Cluster {
    /// Asks one of the servers (`host:port`, set apart by commas) for the others, without protection.
    ///
    /// # Errors
    /// Of the last server tried.
    pub async fn connect(bootstrap: &str, client_id: &str) -> Result<Self, KafkaError> {
        Self::connect_with(bootstrap, ClientOptions::new(client_id)).await
    }

    /// Asks one of the servers (`host:port`, set apart by commas) for the others; every connection is made as `options` say.
    ///
    /// # Errors
    /// Of the last server tried.
    pub async fn connect_with(bootstrap: &str, options: ClientOptions) -> Result<Self, KafkaError> {
        let mut cluster = Self {
            bootstrap: servers(bootstrap),
            options,
            brokers: HashMap::new(),
            controller: -1,
            open: HashMap::new(),
        };
        cluster.metadata(Some(&[])).await?;
        Ok(cluster)
    }

    /// Asks for topics by name, or for all; makes none. What it learns of the brokers is kept.
    ///
    /// # Errors
    /// Of the last server tried. What is wrong with a topic stands in its `error_code`.
    pub async fn metadata(
        &mut self,
        topics: Option<&[&str]>,
    ) -> Result<MetadataResponse, KafkaError> {
        self.ask(topics, false).await
    }

    /// Asks for one topic and has the cluster make it where it does that by itself (`auto.create.topics.enable`). A
    /// topic that is being made has [`ErrorCode::LeaderNotAvailable`] or [`ErrorCode::UnknownTopicOrPartition`]: ask again.
    ///
    /// # Errors
    /// Of the connection or the topic.
    pub async fn topic(&mut self, name: &str) -> Result<MetadataTopic, KafkaError> {
        let mut response = self.ask(Some(&[name]), true).await?;
        let topic = response.topics.pop().unwrap_or_default();
        check(topic.error_code, || format!("topic '{name}'"))?;
        for partition in &topic.partitions {
            let what = || format!("partition {} of '{name}'", partition.partition_index);
            check(partition.error_code, what)?;
        }
        Ok(topic)
    }

    async fn ask(
        &mut self,
        topics: Option<&[&str]>,
        create: bool,
    ) -> Result<MetadataResponse, KafkaError> {
        let named = |name: &&str| MetadataRequestTopic {
            name: Some(Str::from(*name)),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let known: Vec<String> = self.brokers.values().cloned().collect();
        let mut failed = KafkaError::Closed;
        for server in known.iter().chain(&self.bootstrap) {
            let asked = async {
                let mut client = Client::connect_with(server, &self.options).await?;
                client.call::<Metadata>(&request).await
            };
            match asked.await {
                Ok(response) => {
                    self.learn(&response);
                    return Ok(response);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn learn(&mut self, response: &MetadataResponse) {
        self.controller = response.controller_id;
        self.brokers = response
            .brokers
            .iter()
            .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
            .collect();
        self.open.retain(|id, _| self.brokers.contains_key(id));
    }

    /// The broker that makes and deletes topics.
    ///
    /// # Errors
    /// When it is not known or cannot be reached.
    pub async fn controller(&mut self) -> Result<&mut Client, KafkaError> {
        self.broker(self.controller).await
    }

    /// A broker by its id.
    ///
    /// # Errors
    /// When it is not known or cannot be reached.
    pub async fn broker(&mut self, id: i32) -> Result<&mut Client, KafkaError> {
        if !self.open.contains_key(&id) {
            let client = self.separate(id).await?;
            self.open.insert(id, client);
        }
        self.open.get_mut(&id).ok_or(KafkaError::Closed)
    }

    /// A connection of one's own to a broker, for calls that wait.
    ///
    /// # Errors
    /// When it is not known or cannot be reached.
    pub async fn separate(&self, id: i32) -> Result<Client, KafkaError> {
        let server = self.brokers.get(&id).ok_or_else(|| KafkaError::Refused {
            what: format!("broker {id}"),
            code: ErrorCode::LeaderNotAvailable,
            message: None,
        })?;
        Client::connect_with(server, &self.options).await
    }

    /// Forgets a connection that failed.
    pub fn forget(&mut self, id: i32) {
        self.open.remove(&id);
    }

    /// Appends one batch to a partition through its leader; resolves to the offset of its first record once all
    /// in-sync replicas have it.
    ///
    /// # Errors
    /// Of the connection or the broker. After one of the connection it is not known whether the batch was taken.
    pub async fn produce(
        &mut self,
        leader: i32,
        topic: &MetadataTopic,
        index: i32,
        batch: Bytes,
    ) -> Result<i64, KafkaError> {
        let name = topic.name.clone().unwrap_or_default();
        let client = self.broker(leader).await?;
        let request = ProduceRequest {
            transactional_id: None,
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: name.clone(),
                topic_id: topic.topic_id,
                partition_data: vec![PartitionProduceData { index, records: Some(batch) }],
            }],
        };
        let version = client.version_for(ApiKey::Produce, topic.topic_id)?;
        let called = client.call_at::<Produce>(version, &request).await;
        if called.is_err() {
            self.forget(leader);
        }
        let response = called?;
        let answer = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let answer = answer.ok_or(KafkaError::Closed)?;
        check(answer.error_code, || format!("produce to '{name}'"))?;
        Ok(answer.base_offset)
    }
}

/// `host:port,host:port`.
pub(crate) fn servers(bootstrap: &str) -> Vec<String> {
    let servers = bootstrap.split(',').map(str::trim);
    servers.filter(|server| !server.is_empty()).map(str::to_owned).collect()
}

/// An error code of a response as an error.
///
/// # Errors
/// [`KafkaError::Refused`] unless the code is 0.
pub fn check(code: i16, what: impl FnOnce() -> String) -> Result<(), KafkaError> {
    refused(code, None, what)
}

/// As [`check`], with the broker's words.
pub(crate) fn refused(
    code: i16,
    message: Option<&str>,
    what: impl FnOnce() -> String,
) -> Result<(), KafkaError> {
    match ErrorCode::from_number(code).unwrap_or(ErrorCode::UnknownServerError) {
        ErrorCode::None => Ok(()),
        code => {
            Err(KafkaError::Refused { what: what(), code, message: message.map(str::to_owned) })
        }
    }
}
