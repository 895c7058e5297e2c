//! DescribeConfigs: all configurations, with defaults and where each value comes from.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use klamm_kafka_proto::{ErrorCode, Str};
use klamm_log::{ConfigEntry, ConfigSource};

use super::configs::{
    BROKER, BrokerConfig, SOURCE_BROKER, SOURCE_DEFAULT, TOPIC, kind_number, source_number,
    unknown_resource,
};
use super::error::outcome;
use super::{KafkaService, Refusal};

impl KafkaService {
    pub(super) fn describe_configs(&self, request: DescribeConfigsRequest) -> Answer {
        let mut results = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let described = self.describe_resource(&resource);
            let (error_code, error_message) = outcome(&described);
            let mut configs = described.unwrap_or_default();
            // No keys mean all, an empty list too.
            if let Some(keys) = resource.configuration_keys.filter(|keys| !keys.is_empty()) {
                configs.retain(|config| keys.contains(&config.name));
            }
            for config in &mut configs {
                if !request.include_synonyms {
                    config.synonyms.clear();
                }
                if !request.include_documentation {
                    config.documentation = None;
                }
            }
            results.push(DescribeConfigsResult {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
                configs,
            });
        }
        Answer::ready(DescribeConfigsResponse { results, ..Default::default() })
    }

    fn describe_resource(
        &self,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        match resource.resource_type {
            TOPIC => {
                let entries = self.log.describe_configs(&resource.resource_name)?;
                Ok(entries.into_iter().map(topic_config).collect())
            }
            // The cluster-wide defaults of brokers can be set at run time only, which cannot be done here.
            BROKER if resource.resource_name.is_empty() => Ok(Vec::new()),
            BROKER if *resource.resource_name == *self.options.node_id.to_string() => {
                Ok(self.broker_configs().into_iter().map(broker_config).collect())
            }
            BROKER => {
                let text = format!("the one broker is {}", self.options.node_id);
                Err(Refusal::new(ErrorCode::InvalidRequest, text))
            }
            other => Err(unknown_resource(other)),
        }
    }
}

fn topic_config(entry: ConfigEntry) -> DescribeConfigsResourceResult {
    let synonym = |value: &str, source| DescribeConfigsSynonym {
        name: entry.name.into(),
        value: Some(value.into()),
        source,
    };
    let mut synonyms = Vec::with_capacity(2);
    if entry.source == ConfigSource::Topic {
        synonyms.push(synonym(&entry.value, source_number(ConfigSource::Topic)));
    }
    synonyms.push(synonym(&entry.default, SOURCE_DEFAULT));
    DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: Some(entry.value.into()),
        read_only: false,
        config_source: source_number(entry.source),
        is_sensitive: false,
        synonyms,
        config_type: kind_number(entry.kind),
        documentation: Some(Str::from_static(entry.documentation)),
    }
}

fn broker_config(config: BrokerConfig) -> DescribeConfigsResourceResult {
    let is_default = config.value == config.default;
    let synonym = |value: &str, source| DescribeConfigsSynonym {
        name: config.name.into(),
        value: Some(value.into()),
        source,
    };
    let mut synonyms = vec![synonym(&config.default, SOURCE_DEFAULT)];
    if !is_default {
        synonyms.insert(0, synonym(&config.value, SOURCE_BROKER));
    }
    DescribeConfigsResourceResult {
        name: config.name.into(),
        value: Some(config.value.into()),
        read_only: true,
        config_source: if is_default { SOURCE_DEFAULT } else { SOURCE_BROKER },
        is_sensitive: false,
        synonyms,
        config_type: kind_number(config.kind),
        documentation: Some(Str::from_static(config.documentation)),
    }
}
