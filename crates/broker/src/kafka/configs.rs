//! What DescribeConfigs, AlterConfigs and IncrementalAlterConfigs have in common: resources, and the broker's settings.

use klamm_kafka_proto::ErrorCode;
use klamm_log::{ConfigEntry, ConfigKind, ConfigSource, LogError, NewTopic};

use super::{KafkaOptions, KafkaService, OFFSETS_TOPIC, Refusal};

/// `resource_type` of a topic.
pub(super) const TOPIC: i8 = 2;
/// `resource_type` of a broker.
pub(super) const BROKER: i8 = 4;

/// `config_source` of a value set for the topic.
const SOURCE_TOPIC: i8 = 1;
/// `config_source` of a value from the broker's own settings.
pub(super) const SOURCE_BROKER: i8 = 4;
/// `config_source` of a default.
pub(super) const SOURCE_DEFAULT: i8 = 5;

pub(super) fn source_number(source: ConfigSource) -> i8 {
    match source {
        ConfigSource::Topic => SOURCE_TOPIC,
        ConfigSource::Default => SOURCE_DEFAULT,
    }
}

pub(super) fn kind_number(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::String => 2,
        ConfigKind::Int => 3,
        ConfigKind::Long => 5,
        ConfigKind::Double => 6,
        ConfigKind::List => 7,
    }
}

/// A setting of the broker as clients see it. None can be changed through the protocol.
pub(super) struct BrokerConfig {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) default: String,
    pub(super) kind: ConfigKind,
    pub(super) documentation: &'static str,
}

fn setting<T: ToString>(
    name: &'static str,
    kind: ConfigKind,
    (value, default): (T, T),
    documentation: &'static str,
) -> BrokerConfig {
    let (value, default) = (value.to_string(), default.to_string());
    BrokerConfig { name, value, default, kind, documentation }
}

impl KafkaService {
    /// Settings under the names that Kafka has for them.
    pub(super) fn broker_configs(&self) -> Vec<BrokerConfig> {
        use ConfigKind::{Boolean, Int, Long, String};
        let default = KafkaOptions::default();
        let with = |of: &dyn Fn(&KafkaOptions) -> i64| (of(&self.options), of(&default));
        let minutes = |o: &KafkaOptions| o.offsets_retention.as_secs() as i64 / 60;
        let directory = self.log.data_directory();
        let directory =
            directory.map_or_else(|| "memory".into(), |path| path.display().to_string());
        let create = (self.options.auto_create_topics, default.auto_create_topics);
        vec![
            setting("node.id", Int, with(&|o| i64::from(o.node_id)), "The one broker."),
            setting("log.dirs", String, (directory.clone(), directory), "Where the data is."),
            setting(
                "auto.create.topics.enable",
                Boolean,
                create,
                "Metadata of an unknown topic makes it.",
            ),
            setting(
                "num.partitions",
                Int,
                with(&|o| i64::from(o.default_partitions)),
                "Partitions of a topic made without a number.",
            ),
            setting("default.replication.factor", Int, (1, 1), "The log keeps one copy."),
            setting(
                "fetch.max.bytes",
                Int,
                with(&|o| o.fetch_bytes_max as i64),
                "Bytes of records in a Fetch response.",
            ),
            setting("group.initial.rebalance.delay.ms", Int, (0, 0), "Groups do not wait."),
            setting(
                "group.max.size",
                Int,
                with(&|o| o.group_size_max as i64),
                "Members of a group.",
            ),
            setting(
                "group.min.session.timeout.ms",
                Int,
                with(&|o| o.session_timeout_min.as_millis() as i64),
                "Shortest session of a member.",
            ),
            setting(
                "group.max.session.timeout.ms",
                Int,
                with(&|o| o.session_timeout_max.as_millis() as i64),
                "Longest session of a member.",
            ),
            setting("offset.metadata.max.bytes", Int, (4096, 4096), "Metadata of an offset."),
            setting(
                "offsets.retention.minutes",
                Long,
                with(&minutes),
                "How long offsets of an empty group are kept.",
            ),
            setting("offsets.topic.num.partitions", Int, (1, 1), "Of __consumer_offsets."),
        ]
    }

    /// The topic whose configurations may be changed, or why they may not.
    pub(super) fn alterable(&self, kind: i8, name: &str) -> Result<Vec<ConfigEntry>, Refusal> {
        match kind {
            TOPIC if name == OFFSETS_TOPIC => {
                let text = "the group coordinator sets the configurations of this topic";
                Err(Refusal::new(ErrorCode::PolicyViolation, text))
            }
            TOPIC => Ok(self.log.describe_configs(name)?),
            BROKER => {
                let text = "the broker is configured by its settings, not over the protocol";
                Err(Refusal::new(ErrorCode::InvalidRequest, text))
            }
            other => Err(unknown_resource(other)),
        }
    }

    /// Checks changes to a topic without making them: as what a new topic would have.
    pub(super) fn check_changes(
        &self,
        entries: &[ConfigEntry],
        changes: &[(String, Option<String>)],
    ) -> Result<(), LogError> {
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| changed == name);
        let kept = entries.iter().filter(|entry| entry.source == ConfigSource::Topic);
        let kept = kept.filter(|entry| !is_changed(entry.name));
        let kept = kept.map(|entry| (entry.name.to_owned(), entry.value.clone()));
        let set = changes.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        self.log.validate_new_topic(&NewTopic {
            name: uuid::Uuid::new_v4().to_string(),
            configs: kept.chain(set).collect(),
            ..NewTopic::default()
        })
    }
}

pub(super) fn unknown_resource(kind: i8) -> Refusal {
    let text = format!("resources of type {kind} have no configurations here");
    Refusal::new(ErrorCode::InvalidRequest, text)
}
