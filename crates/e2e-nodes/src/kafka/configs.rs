//! DescribeConfigs, IncrementalAlterConfigs.

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult,
};
use klamm_kafka_proto::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};
use klamm_kafka_proto::{ErrorCode, Str};

use super::{Here, Kafka};

/// Numbers of the kinds of resources, and of the sources of values.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET_FOR_TOPIC: i8 = 1;
const SET_FOR_BROKER: i8 = 2;
const SET_FOR_EVERY_BROKER: i8 = 3;
const STATIC: i8 = 4;
const DEFAULT: i8 = 5;

const MIN_ISR: &str = "min.insync.replicas";

/// A broker of Kafka 4.3 tells of this many configurations; those that are not known here have other names of usual length.
const BROKER_CONFIGS: usize = 270;

type Entries = Vec<DescribeConfigsResourceResult>;

pub fn describe(
    kafka: &Kafka,
    here: &Here,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let one = |resource: &DescribeConfigsResource| {
        let entries = match resource.resource_type {
            TOPIC => topic(kafka, here, &resource.resource_name),
            BROKER => Ok(broker(kafka, here, &resource.resource_name)),
            _ => Err(ErrorCode::InvalidRequest),
        };
        let wanted = |entry: &DescribeConfigsResourceResult| {
            let keys = resource.configuration_keys.as_ref();
            keys.is_none_or(|keys| keys.contains(&entry.name))
        };
        let (error, entries) = match entries {
            Ok(entries) => (ErrorCode::None, entries),
            Err(error) => (error, Vec::new()),
        };
        DescribeConfigsResult {
            error_code: error as i16,
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: entries.into_iter().filter(wanted).collect(),
        }
    };
    let results = request.resources.iter().map(one).collect();
    DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() }
}

fn topic(kafka: &Kafka, here: &Here, name: &str) -> Result<Entries, ErrorCode> {
    let topic = kafka.topics.get(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let mut entries = all(&topic.config, SET_FOR_TOPIC);
    if !topic.config.contains_key(MIN_ISR) {
        let for_every = kafka.set.get("").and_then(|set| set.get(MIN_ISR));
        let value = for_every.or_else(|| here.properties.get(MIN_ISR));
        entries.push(entry(MIN_ISR, value.map_or("1", String::as_str), STATIC));
    }
    Ok(entries)
}

fn broker(kafka: &Kafka, here: &Here, name: &str) -> Entries {
    let (none, own) = (BTreeMap::new(), kafka.set.get(name));
    let mut entries = all(own.unwrap_or(&none), SET_FOR_BROKER);
    if !name.is_empty() {
        let known = |key: &&String, entries: &Entries| entries.iter().any(|e| *e.name == ***key);
        let every = all(kafka.set.get("").unwrap_or(&none), SET_FOR_EVERY_BROKER);
        entries.extend(every);
        let file = here.properties.iter().filter(|(key, _)| !known(key, &entries));
        let file: Entries = file.map(|(key, value)| entry(key, value, STATIC)).collect();
        entries.extend(file);
        for number in entries.len()..BROKER_CONFIGS {
            entries.push(entry(
                &format!("some.broker.default.config.{number}"),
                "2147483647",
                DEFAULT,
            ));
        }
    }
    entries
}

fn all(set: &BTreeMap<String, String>, source: i8) -> Entries {
    set.iter().map(|(name, value)| entry(name, value, source)).collect()
}

fn entry(name: &str, value: &str, config_source: i8) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult {
        name: name.into(),
        value: Some(value.into()),
        config_source,
        ..DescribeConfigsResourceResult::default()
    }
}

pub fn alter(
    kafka: &mut Kafka,
    request: &IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut one = |resource: &IncrementalAlterConfigsResource| {
        let code = alter_one(kafka, resource, request.validate_only);
        IncrementalAlterConfigsResourceResponse {
            error_code: code as i16,
            error_message: None,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        }
    };
    let responses = request.resources.iter().map(&mut one).collect();
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn alter_one(
    kafka: &mut Kafka,
    resource: &IncrementalAlterConfigsResource,
    validate_only: bool,
) -> ErrorCode {
    let name: &str = &resource.resource_name;
    let set = match resource.resource_type {
        TOPIC => match kafka.topics.get_mut(name) {
            Some(topic) => &mut topic.config,
            None => return ErrorCode::UnknownTopicOrPartition,
        },
        BROKER => kafka.set.entry(name.to_owned()).or_default(),
        _ => return ErrorCode::InvalidRequest,
    };
    for change in resource.configs.iter().filter(|_| !validate_only) {
        match (change.config_operation, &change.value) {
            (0, Some(value)) => {
                set.insert(change.name.to_string(), Str::to_string(value));
            }
            (1, _) => {
                set.remove(&*change.name);
            }
            // Lists are not taken apart here.
            _ => return ErrorCode::InvalidRequest,
        }
    }
    ErrorCode::None
}
