//! Kafka, asked by a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use klamm_kafka::KafkaError;
use klamm_kafka::admin::{
    Admin, Endpoint, NewTopic, QuotaEntityType, QuotaFilter, QuotaMatch, Resource,
};
use klamm_kafka::client::ClientOptions;
use klamm_kafka::security::Security;
use tokio::runtime::Runtime;

/// For an answer.
const CALL: Duration = Duration::from_secs(10);

/// A topic as it is: replicas of each partition.
pub(crate) type Topic = Vec<usize>;

/// A client of a cluster, who waits for answers.
#[derive(Debug)]
pub(crate) struct Kafka {
    admin: Admin,
    runtime: Runtime,
}

impl Kafka {
    /// One who connects when asking.
    pub(crate) fn new(bootstrap: &str, security: Security) -> Result<Self, String> {
        let options = ClientOptions {
            connect_time: CALL,
            call_time: CALL,
            ..ClientOptions::new("klamm-e2e").with_security(security)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let admin = Admin::new(bootstrap, Endpoint::Brokers, options).with_deadline(CALL);
        Ok(Self { admin, runtime })
    }

    /// A topic, if it is there.
    pub(crate) fn topic(&mut self, name: &str) -> Result<Option<Topic>, String> {
        let asked = self.runtime.block_on(self.admin.metadata(Some(&[name])));
        match asked.map_err(|error| error.to_string())?.remove(name) {
            Some(Ok(topic)) => Ok(Some(
                topic.partitions.iter().map(|partition| partition.replicas.len()).collect(),
            )),
            _ => Ok(None),
        }
    }

    /// Who has replicas of each partition of a topic.
    pub(crate) fn replicas(&mut self, name: &str) -> Result<Vec<Vec<i32>>, String> {
        let asked = self.runtime.block_on(self.admin.metadata(Some(&[name])));
        let topic = asked.map_err(|error| error.to_string())?.remove(name);
        let topic = topic.ok_or("no such topic")?.map_err(|error| error.to_string())?;
        Ok(topic.partitions.into_iter().map(|partition| partition.replicas).collect())
    }

    /// The failure domain of each broker.
    pub(crate) fn racks(&mut self) -> Result<BTreeMap<i32, Option<String>>, String> {
        let asked = self.runtime.block_on(self.admin.describe_cluster());
        let cluster = asked.map_err(|error| error.to_string())?;
        Ok(cluster.nodes.into_iter().map(|node| (node.id, node.rack)).collect())
    }

    /// The controllers that vote.
    pub(crate) fn voters(&mut self) -> Result<Vec<i32>, String> {
        let asked = self.runtime.block_on(self.admin.describe_quorum());
        let quorum = asked.map_err(|error| error.to_string())?;
        Ok(quorum.voters.iter().map(|voter| voter.node).collect())
    }

    /// How many topics there are.
    pub(crate) fn topics(&mut self) -> Result<usize, String> {
        let asked = self.runtime.block_on(self.admin.metadata(None));
        asked.map(|topics| topics.len()).map_err(|error| error.to_string())
    }

    /// A property of a topic.
    pub(crate) fn config(&mut self, topic: &str, key: &str) -> Result<Option<String>, String> {
        self.property(Resource::Topic(topic.to_owned()), key)
    }

    /// A property of a broker, as it has it now.
    pub(crate) fn broker_config(
        &mut self,
        broker: i32,
        key: &str,
    ) -> Result<Option<String>, String> {
        self.property(Resource::Broker(broker), key)
    }

    fn property(&mut self, of: Resource, key: &str) -> Result<Option<String>, String> {
        let resource = [of];
        let asked = self.runtime.block_on(self.admin.describe_configs(&resource, Some(&[key])));
        let mut answers = asked.map_err(|error| error.to_string())?;
        let entries =
            answers.remove(&resource[0]).transpose().map_err(|error| error.to_string())?;
        Ok(entries.into_iter().flatten().find(|entry| entry.name == key).and_then(|e| e.value))
    }

    /// Whether a topic might be made; nothing is.
    pub(crate) fn may_create(&mut self, name: &str) -> Result<(), KafkaError> {
        let topic = NewTopic { name: name.to_owned(), partitions: Some(1), ..NewTopic::default() };
        let mut answers = self.runtime.block_on(self.admin.create_topics(&[topic], true))?;
        answers.remove(name).unwrap_or(Err(KafkaError::Closed)).map(drop)
    }

    /// A user's quotas.
    pub(crate) fn quotas(&mut self, user: &str) -> Result<BTreeMap<String, f64>, String> {
        let of = QuotaMatch::Exact(user.to_owned());
        let filter = QuotaFilter { components: [(QuotaEntityType::User, of)].into(), strict: true };
        let asked = self.runtime.block_on(self.admin.describe_client_quotas(&filter));
        asked.map(|found| found.into_values().next().unwrap_or_default()).map_err(|e| e.to_string())
    }
}
