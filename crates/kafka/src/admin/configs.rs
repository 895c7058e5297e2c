//! Configurations: DescribeConfigs, IncrementalAlterConfigs (KIP-133, KIP-226, KIP-339).

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka_proto::Str;
use klamm_kafka_proto::messages::describe_configs::{
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeConfigsResourceResult, DescribeConfigsResponse,
};
use klamm_kafka_proto::messages::incremental_alter_configs::{
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};

use super::numbered::numbered;
use super::{Admin, Endpoint, Outcomes, To, complete, moved_among, said, text};
use crate::KafkaError;

/// What has configurations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// A topic.
    Topic(String),
    /// A broker, or a controller.
    Broker(i32),
    /// The default of all brokers.
    EveryBroker,
    /// The levels of a broker's loggers.
    BrokerLogger(i32),
    /// A client metrics subscription (KIP-714).
    ClientMetrics(String),
    /// A group (KIP-1043).
    Group(String),
}

impl Resource {
    fn wire(&self) -> (i8, Str) {
        match self {
            Self::Topic(name) => (2, name.as_str().into()),
            Self::Broker(id) => (4, id.to_string().into()),
            Self::EveryBroker => (4, Str::default()),
            Self::BrokerLogger(id) => (8, id.to_string().into()),
            Self::ClientMetrics(name) => (16, name.as_str().into()),
            Self::Group(name) => (32, name.as_str().into()),
        }
    }

    fn parse(kind: i8, name: &str) -> Option<Self> {
        match kind {
            2 => Some(Self::Topic(name.to_owned())),
            4 if name.is_empty() => Some(Self::EveryBroker),
            4 => name.parse().ok().map(Self::Broker),
            8 => name.parse().ok().map(Self::BrokerLogger),
            16 => Some(Self::ClientMetrics(name.to_owned())),
            32 => Some(Self::Group(name.to_owned())),
            _ => None,
        }
    }

    /// The node that alone answers for it; the active controller answers for brokers that are down, too.
    fn node(&self, endpoint: Endpoint, altered: bool) -> Option<i32> {
        match self {
            Self::Broker(id) if endpoint == Endpoint::Brokers || !altered => Some(*id),
            Self::BrokerLogger(id) => Some(*id),
            _ => None,
        }
    }
}

numbered! {
    /// Where the value of a configuration comes from.
    ConfigSource {
        /// Kafka does not say, or it is a source not known here.
        Unknown = 0,
        /// Set for the topic.
        Topic = 1,
        /// Set for this broker while it ran.
        DynamicBroker = 2,
        /// Set for all brokers while they ran.
        DynamicDefaultBroker = 3,
        /// The broker's properties file.
        StaticBroker = 4,
        /// Kafka's own default.
        Default = 5,
        /// Set for a logger while the broker ran.
        DynamicBrokerLogger = 6,
        /// Set for a client metrics subscription.
        ClientMetrics = 7,
        /// Set for a group.
        Group = 8,
    }
}

/// A configuration as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` for one that is sensitive, or not set.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Its value is never told.
    pub is_sensitive: bool,
    /// Only a restart changes it.
    pub is_read_only: bool,
}

impl ConfigEntry {
    /// Set for this very broker while it ran: it goes before the broker's properties file, also after a restart.
    pub fn is_broker_override(&self) -> bool {
        self.source == ConfigSource::DynamicBroker
    }
}

/// One change of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Give it a value.
    Set(String, String),
    /// Take the value away: what is below it, the file or the default, counts.
    Delete(String),
    /// Add values to a list.
    Append(String, String),
    /// Take values out of a list.
    Subtract(String, String),
}

/// The changes of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAlteration {
    /// Of what.
    pub resource: Resource,
    /// All or none of them is made.
    pub changes: Vec<ConfigChange>,
}

/// Resources in one request: a topic's description is at most some 50 configurations of 100 bytes.
const RESOURCES_MAX: usize = 1000; // 5 MB of response

impl Admin {
    /// Configurations of many resources at once, in as many requests as it takes; all of them, or those named by `keys`.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a resource, its broker being down included, stands in its outcome.
    pub async fn describe_configs(
        &mut self,
        resources: &[Resource],
        keys: Option<&[&str]>,
    ) -> Result<Outcomes<Resource, Vec<ConfigEntry>>, KafkaError> {
        let endpoint = self.connections.endpoint;
        let (own, shared): (Vec<_>, Vec<_>) =
            resources.iter().partition(|resource| resource.node(endpoint, false).is_some());
        let mut outcomes = Outcomes::new();
        for some in shared.chunks(RESOURCES_MAX) {
            let request = describe_request(some, keys);
            let response = self.call::<DescribeConfigs>(To::Any, &request, moved).await?;
            outcomes.extend(described(&response));
        }
        let mut requests = BTreeMap::<i32, Vec<&Resource>>::new();
        for resource in own {
            let node = resource.node(endpoint, false).unwrap_or_default();
            requests.entry(node).or_default().push(resource);
        }
        let calls = requests.iter().map(|(node, some)| (*node, describe_request(some, keys)));
        for (node, answer) in self.call_each::<DescribeConfigs>(calls.collect()).await {
            match answer {
                Ok(response) => outcomes.extend(described(&response)),
                Err(error) => outcomes.extend(failed(&requests[&node], &error)),
            }
        }
        complete(&mut outcomes, resources.iter().cloned());
        Ok(outcomes)
    }

    /// Changes configurations of many resources at once, or only checks that they could be changed. Those of a broker go to that
    /// broker, which checks them; through controllers those of one that is down can be changed too.
    ///
    /// # Errors
    /// Of the connection. What is wrong with a resource, its broker being down included, stands in its outcome.
    pub async fn incremental_alter_configs(
        &mut self,
        alterations: &[ConfigAlteration],
        validate_only: bool,
    ) -> Result<Outcomes<Resource, ()>, KafkaError> {
        let endpoint = self.connections.endpoint;
        let mut requests = BTreeMap::<Option<i32>, Vec<&ConfigAlteration>>::new();
        for alteration in alterations {
            let node = alteration.resource.node(endpoint, true);
            requests.entry(node).or_default().push(alteration);
        }
        let mut outcomes = Outcomes::new();
        for some in requests.remove(&None).unwrap_or_default().chunks(RESOURCES_MAX) {
            let request = alter_request(some, validate_only);
            let response =
                self.call::<IncrementalAlterConfigs>(To::Controller, &request, altered_code);
            outcomes.extend(altered(&response.await?));
        }
        let calls = requests
            .iter()
            .filter_map(|(node, some)| node.map(|node| (node, alter_request(some, validate_only))));
        for (node, answer) in self.call_each::<IncrementalAlterConfigs>(calls.collect()).await {
            let some: Vec<_> = requests[&Some(node)].iter().map(|a| &a.resource).collect();
            match answer {
                Ok(response) => outcomes.extend(altered(&response)),
                Err(error) => outcomes.extend(failed(&some, &error)),
            }
        }
        complete(&mut outcomes, alterations.iter().map(|a| a.resource.clone()));
        Ok(outcomes)
    }

    /// What was set for each of these brokers, or for all brokers, while they ran.
    ///
    /// # Errors
    /// Of the connection. A broker that is down has an error as its outcome.
    pub async fn dynamic_broker_configs(
        &mut self,
        brokers: &BTreeSet<i32>,
    ) -> Result<Outcomes<i32, Vec<ConfigEntry>>, KafkaError> {
        let resources: Vec<_> = brokers.iter().map(|id| Resource::Broker(*id)).collect();
        let found = self.describe_configs(&resources, None).await?;
        let dynamic = |entries: Vec<ConfigEntry>| {
            let set = [ConfigSource::DynamicBroker, ConfigSource::DynamicDefaultBroker];
            entries.into_iter().filter(|entry| set.contains(&entry.source)).collect()
        };
        let of_broker = |(resource, outcome): (Resource, Result<Vec<ConfigEntry>, _>)| {
            let Resource::Broker(id) = resource else { return None };
            Some((id, outcome.map(dynamic)))
        };
        Ok(found.into_iter().filter_map(of_broker).collect())
    }
}

fn describe_request(resources: &[&Resource], keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let keys: Option<Vec<Str>> = keys.map(|keys| keys.iter().map(|key| Str::from(*key)).collect());
    let resource = |resource: &&Resource| {
        let (resource_type, resource_name) = resource.wire();
        let configuration_keys = keys.clone();
        DescribeConfigsResource { resource_type, resource_name, configuration_keys }
    };
    DescribeConfigsRequest {
        resources: resources.iter().map(resource).collect(),
        ..DescribeConfigsRequest::default()
    }
}

fn moved(response: &DescribeConfigsResponse) -> i16 {
    moved_among(response.results.iter().map(|result| result.error_code))
}

fn altered_code(response: &IncrementalAlterConfigsResponse) -> i16 {
    moved_among(response.responses.iter().map(|result| result.error_code))
}

fn described(response: &DescribeConfigsResponse) -> Outcomes<Resource, Vec<ConfigEntry>> {
    let mut outcomes = Outcomes::new();
    for result in &response.results {
        let resource = Resource::parse(result.resource_type, &result.resource_name);
        let Some(resource) = resource else { continue };
        let what = || format!("configuration of {resource:?}");
        let outcome = said(result.error_code, result.error_message.as_ref(), what);
        let entries = || result.configs.iter().map(entry).collect();
        outcomes.insert(resource, outcome.map(|()| entries()));
    }
    outcomes
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    let source = ConfigSource::from_number(config.config_source);
    ConfigEntry {
        name: text(&config.name),
        value: config.value.as_ref().map(text),
        source: source.unwrap_or(ConfigSource::Unknown),
        is_sensitive: config.is_sensitive,
        is_read_only: config.read_only,
    }
}

fn alter_request(
    alterations: &[&ConfigAlteration],
    validate_only: bool,
) -> IncrementalAlterConfigsRequest {
    let resource = |alteration: &&ConfigAlteration| {
        let (resource_type, resource_name) = alteration.resource.wire();
        let configs = alteration.changes.iter().map(change).collect();
        IncrementalAlterConfigsResource { resource_type, resource_name, configs }
    };
    let resources = alterations.iter().map(resource).collect();
    IncrementalAlterConfigsRequest { resources, validate_only }
}

fn change(change: &ConfigChange) -> IncrementalAlterableConfig {
    let (config_operation, name, value) = match change {
        ConfigChange::Set(name, value) => (0, name, Some(value)),
        ConfigChange::Delete(name) => (1, name, None),
        ConfigChange::Append(name, value) => (2, name, Some(value)),
        ConfigChange::Subtract(name, value) => (3, name, Some(value)),
    };
    let value = value.map(|value| value.as_str().into());
    IncrementalAlterableConfig { name: name.as_str().into(), config_operation, value }
}

fn altered(response: &IncrementalAlterConfigsResponse) -> Outcomes<Resource, ()> {
    let mut outcomes = Outcomes::new();
    for result in &response.responses {
        let resource = Resource::parse(result.resource_type, &result.resource_name);
        let Some(resource) = resource else { continue };
        let what = || format!("configure {resource:?}");
        let outcome = said(result.error_code, result.error_message.as_ref(), what);
        outcomes.insert(resource, outcome);
    }
    outcomes
}

fn failed<V>(resources: &[&Resource], error: &KafkaError) -> Outcomes<Resource, V> {
    resources.iter().map(|resource| ((*resource).clone(), Err(error.clone()))).collect()
}
