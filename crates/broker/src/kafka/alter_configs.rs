//! AlterConfigs: the configurations named, and no others.

use klamm_kafka::server::Answer;
use klamm_kafka_proto::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use klamm_log::{ConfigEntry, ConfigSource, Log, LogError};

use super::error::outcome;
use super::{KafkaService, Refusal};

/// A configuration and its new value; `None` for the default.
pub(super) type Change = (String, Option<String>);

impl KafkaService {
    pub(super) async fn alter_configs(&self, request: AlterConfigsRequest) -> Answer {
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let (kind, name) = (resource.resource_type, &resource.resource_name);
            let changes = |entries: &[ConfigEntry]| replace_all(&resource, entries);
            let altered = self.alter(kind, name, request.validate_only, changes).await;
            let (error_code, error_message) = outcome(&altered);
            responses.push(AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
            });
        }
        Answer::ready(AlterConfigsResponse { responses, ..Default::default() })
    }

    /// Makes, or only checks, changes to a resource: all of them or none.
    pub(super) async fn alter(
        &self,
        kind: i8,
        name: &str,
        validate_only: bool,
        changes: impl FnOnce(&[ConfigEntry]) -> Result<Vec<Change>, LogError>,
    ) -> Result<(), Refusal> {
        let entries = self.alterable(kind, name)?;
        let changes = changes(&entries)?;
        self.check_changes(&entries, &changes)?;
        if !validate_only {
            self.log.alter_topic(name, changes).await?;
        }
        Ok(())
    }
}

fn replace_all(
    resource: &AlterConfigsResource,
    entries: &[ConfigEntry],
) -> Result<Vec<Change>, LogError> {
    let mut changes = Vec::new();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            return Err(LogError::InvalidConfig(format!("{} has no value", config.name)));
        };
        changes.push((config.name.to_string(), Some(value.to_string())));
    }
    for entry in entries.iter().filter(|entry| entry.source == ConfigSource::Topic) {
        if resource.configs.iter().all(|config| config.name != entry.name) {
            changes.push((entry.name.to_owned(), None));
        }
    }
    Ok(changes)
}
