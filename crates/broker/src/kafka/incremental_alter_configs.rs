//! IncrementalAlterConfigs: set, delete, append, subtract (KIP-339).

use std::collections::HashSet;

use klamm_kafka::server::Answer;
use klamm_kafka_proto::Str;
use klamm_kafka_proto::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResourceResponse,
    IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};
use klamm_log::{ConfigEntry, ConfigKind, LogError};

use super::KafkaService;
use super::alter_configs::Change;
use super::error::outcome;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

impl KafkaService {
    pub(super) async fn incremental_alter_configs(
        &self,
        request: IncrementalAlterConfigsRequest,
    ) -> Answer {
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let (kind, name) = (resource.resource_type, &resource.resource_name);
            let changes = |entries: &[ConfigEntry]| changes(&resource.configs, entries);
            let altered = self.alter(kind, name, request.validate_only, changes).await;
            let (error_code, error_message) = outcome(&altered);
            responses.push(IncrementalAlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
            });
        }
        Answer::ready(IncrementalAlterConfigsResponse { responses, ..Default::default() })
    }
}

fn changes(
    asked: &[IncrementalAlterableConfig],
    entries: &[ConfigEntry],
) -> Result<Vec<Change>, LogError> {
    let mut named: HashSet<&str> = HashSet::new();
    if let Some(twice) = asked.iter().find(|config| !named.insert(&config.name)) {
        let text = format!("{} is changed more than once", twice.name);
        return Err(LogError::InvalidConfig(text));
    }
    asked.iter().map(|config| change(config, entries)).collect()
}

fn change(asked: &IncrementalAlterableConfig, entries: &[ConfigEntry]) -> Result<Change, LogError> {
    let invalid = |why: &str| LogError::InvalidConfig(format!("{} {why}", asked.name));
    let value = || asked.value.as_ref().ok_or_else(|| invalid("has no value"));
    let name = asked.name.to_string();
    let value = match asked.config_operation {
        SET => value()?.to_string(),
        DELETE => return Ok((name, None)),
        operation @ (APPEND | SUBTRACT) => {
            let entry = entries.iter().find(|entry| asked.name == entry.name);
            let entry = entry.ok_or_else(|| invalid("is not a configuration of topics"))?;
            if entry.kind != ConfigKind::List {
                return Err(invalid("is no list: nothing can be appended or subtracted"));
            }
            change_list(&entry.value, value()?, operation)
        }
        _ => return Err(invalid("is to be changed in a way that is not known")),
    };
    Ok((name, Some(value)))
}

fn change_list(current: &str, given: &Str, operation: i8) -> String {
    let split = |list: &str| -> Vec<String> {
        list.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let (mut list, given) = (split(current), split(given));
    if operation == SUBTRACT {
        list.retain(|word| !given.contains(word));
    } else {
        let new = given.into_iter().filter(|word| !list.contains(word)).collect::<Vec<_>>();
        list.extend(new);
    }
    list.join(",")
}
