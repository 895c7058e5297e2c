//! Topic configurations: which there are, what they may say, what each is.

use std::collections::BTreeMap;

use crate::LogError;

/// Where a configuration's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic,
    /// The log's default.
    Default,
}

/// What kind of value a configuration takes, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKind {
    /// True or false.
    Boolean,
    /// A text out of a few.
    String,
    /// A 32-bit number.
    Int,
    /// A 64-bit number.
    Long,
    /// A fraction.
    Double,
    /// Texts with commas between.
    List,
}

/// One configuration of a topic, as DescribeConfigs tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name, such as `retention.ms`.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// The value without one set for the topic.
    pub default: String,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// What it may be.
    pub kind: ConfigKind,
    /// What it does.
    pub documentation: &'static str,
}

struct Known {
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    documentation: &'static str,
}

const fn known(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    documentation: &'static str,
) -> Known {
    Known { name, kind, default, documentation }
}

/// All configurations there are. Defaults are Kafka's except for the two that Kafka does not have or
/// that cost memory: `durability` and `index.interval.bytes`.
const KNOWN: [Known; 13] = [
    known(
        "cleanup.policy",
        ConfigKind::List,
        "delete",
        "Old segments are deleted. Compaction is not offered yet.",
    ),
    known(
        "compression.type",
        ConfigKind::String,
        "producer",
        "Batches are kept as the producer compressed them.",
    ),
    known(
        "durability",
        ConfigKind::String,
        "fsync",
        "fsync: acks=all is answered, and records are shown, once they are on stable storage. os: once the operating system has them.",
    ),
    known(
        "index.interval.bytes",
        ConfigKind::Int,
        "32768",
        "Bytes of records between two entries of the sparse indexes.",
    ),
    known("max.message.bytes", ConfigKind::Int, "1048588", "The largest record batch taken."),
    known(
        "message.timestamp.after.max.ms",
        ConfigKind::Long,
        "3600000",
        "How far a record's timestamp may lie after the log's time.",
    ),
    known(
        "message.timestamp.before.max.ms",
        ConfigKind::Long,
        "9223372036854775807",
        "How far a record's timestamp may lie before the log's time.",
    ),
    known(
        "message.timestamp.type",
        ConfigKind::String,
        "CreateTime",
        "CreateTime: timestamps are the producer's. LogAppendTime: the log's.",
    ),
    known(
        "min.insync.replicas",
        ConfigKind::Int,
        "1",
        "The embedded log keeps one copy, so this is 1.",
    ),
    known(
        "retention.bytes",
        ConfigKind::Long,
        "-1",
        "Bytes a partition keeps; the oldest segments go first. -1: no limit.",
    ),
    known(
        "retention.ms",
        ConfigKind::Long,
        "604800000",
        "How long records are kept, by their timestamps. -1: no limit.",
    ),
    known(
        "segment.bytes",
        ConfigKind::Int,
        "1073741824",
        "Size at which a segment file is closed and the next begun.",
    ),
    known(
        "segment.ms",
        ConfigKind::Long,
        "604800000",
        "Age at which a segment file is closed and the next begun.",
    ),
];

/// Why some of Kafka's configurations are not among [`KNOWN`].
const NOT_OFFERED: [(&str, &str); 8] = [
    ("file.delete.delay.ms", "files are removed at once; readers keep what they have open"),
    ("flush.messages", "durability=fsync syncs every acknowledged append"),
    ("flush.ms", "durability=fsync syncs every acknowledged append"),
    ("preallocate", "segment files are never preallocated"),
    ("segment.index.bytes", "indexes grow as needed"),
    ("unclean.leader.election.enable", "there is one copy, so there is no election"),
    ("min.cleanable.dirty.ratio", "compaction is not offered yet"),
    ("remote.storage.enable", "tiered storage is not offered"),
];

/// What `acks=all` and readers wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicDurability {
    /// Stable storage.
    Fsync,
    /// The operating system's page cache.
    Os,
}

/// The configurations of a topic, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicConfig {
    /// What was set, by name.
    pub(super) given: BTreeMap<String, String>,
    pub(super) durability: TopicDurability,
    pub(super) index_interval_bytes: u64,
    pub(super) max_message_bytes: usize,
    pub(super) timestamp_after_max_ms: i64,
    pub(super) timestamp_before_max_ms: i64,
    pub(super) log_append_time: bool,
    pub(super) retention_bytes: Option<u64>,
    pub(super) retention_ms: Option<i64>,
    pub(super) segment_bytes: u64,
    pub(super) segment_ms: i64,
}

impl TopicConfig {
    /// Parses what was set for a topic; the rest takes defaults.
    pub(super) fn parse(
        given: BTreeMap<String, String>,
        segment_bytes_min: u64,
    ) -> Result<Self, LogError> {
        if let Some(name) = given.keys().find(|name| !KNOWN.iter().any(|k| k.name == **name)) {
            return Err(unknown(name));
        }
        let values = Values { given: &given };
        values.one_of(
            "cleanup.policy",
            &["delete"],
            "only 'delete' is offered; compaction is not offered yet",
        )?;
        values.one_of("compression.type", &["producer"], "batches are kept as they come")?;
        values.number("min.insync.replicas", 1, 1)?;
        let durability = values.one_of("durability", &["fsync", "os"], "one of fsync, os")?;
        let types = ["CreateTime", "LogAppendTime"];
        let timestamp =
            values.one_of("message.timestamp.type", &types, "one of CreateTime, LogAppendTime")?;
        let limit = |name| {
            let value = values.number(name, -1, i64::MAX)?;
            Ok::<_, LogError>((value >= 0).then_some(value))
        };
        let int_max = i64::from(i32::MAX);
        let segment_bytes_min = i64::try_from(segment_bytes_min).unwrap_or(int_max);
        Ok(Self {
            durability: if durability == 0 { TopicDurability::Fsync } else { TopicDurability::Os },
            index_interval_bytes: values.number("index.interval.bytes", 0, int_max)? as u64,
            max_message_bytes: values.number("max.message.bytes", 0, int_max)? as usize,
            timestamp_after_max_ms: values.number("message.timestamp.after.max.ms", 0, i64::MAX)?,
            timestamp_before_max_ms: values.number(
                "message.timestamp.before.max.ms",
                0,
                i64::MAX,
            )?,
            log_append_time: timestamp == 1,
            retention_bytes: limit("retention.bytes")?.map(|bytes| bytes as u64),
            retention_ms: limit("retention.ms")?,
            segment_bytes: values.number("segment.bytes", segment_bytes_min, int_max)? as u64,
            segment_ms: values.number("segment.ms", 1, i64::MAX)?,
            given,
        })
    }

    /// All configurations, by name.
    pub(super) fn entries(&self) -> Vec<ConfigEntry> {
        let entry = |known: &Known| {
            let given = self.given.get(known.name);
            ConfigEntry {
                name: known.name,
                value: given.map_or(known.default, String::as_str).to_owned(),
                default: known.default.to_owned(),
                source: if given.is_some() { ConfigSource::Topic } else { ConfigSource::Default },
                kind: known.kind,
                documentation: known.documentation,
            }
        };
        KNOWN.iter().map(entry).collect()
    }
}

struct Values<'a> {
    given: &'a BTreeMap<String, String>,
}

impl Values<'_> {
    fn text(&self, name: &str) -> &str {
        let default = KNOWN.iter().find(|known| known.name == name).map_or("", |k| k.default);
        self.given.get(name).map_or(default, |value| value.trim())
    }

    fn number(&self, name: &str, min: i64, max: i64) -> Result<i64, LogError> {
        let text = self.text(name);
        let value: i64 = text
            .parse()
            .map_err(|_| LogError::InvalidConfig(format!("{name}={text}: not a number")))?;
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(LogError::InvalidConfig(format!("{name}={text}: must be {min} to {max}")))
        }
    }

    fn one_of(&self, name: &str, offered: &[&str], why: &str) -> Result<usize, LogError> {
        let text = self.text(name);
        offered
            .iter()
            .position(|one| *one == text)
            .ok_or_else(|| LogError::InvalidConfig(format!("{name}={text}: {why}")))
    }
}

fn unknown(name: &str) -> LogError {
    let why = NOT_OFFERED.iter().find(|(not_offered, _)| *not_offered == name);
    LogError::InvalidConfig(match why {
        Some((_, why)) => format!("{name} cannot be set: {why}"),
        None => format!("no topic configuration '{name}'"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<TopicConfig, LogError> {
        let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TopicConfig::parse(given, 1 << 20)
    }

    #[test]
    fn defaults_parse_and_are_told_as_such() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.retention_ms, Some(7 * 24 * 3600 * 1000));
        assert_eq!(config.retention_bytes, None);
        assert_eq!(config.durability, TopicDurability::Fsync);
        assert!(config.entries().iter().all(|entry| entry.source == ConfigSource::Default));
    }

    #[test]
    fn set_values_count_and_are_told_as_such() {
        let config = parse(&[("retention.ms", "-1"), ("durability", "os")]).unwrap();
        assert_eq!((config.retention_ms, config.durability), (None, TopicDurability::Os));
        let entries = config.entries();
        let entry = entries.iter().find(|entry| entry.name == "retention.ms").unwrap();
        assert_eq!((&*entry.value, entry.source), ("-1", ConfigSource::Topic));
        assert_eq!(entry.default, "604800000");
    }

    #[test]
    fn what_could_only_be_ignored_is_refused_with_a_reason() {
        for (pair, says) in [
            (("cleanup.policy", "compact"), "only 'delete'"),
            (("flush.ms", "1"), "cannot be set"),
            (("nonsense", "1"), "no topic configuration"),
            (("retention.ms", "soon"), "not a number"),
            (("segment.bytes", "14"), "must be 1048576 to"),
            (("min.insync.replicas", "2"), "must be 1 to 1"),
            (("compression.type", "zstd"), "as they come"),
        ] {
            let text = parse(&[pair]).unwrap_err().to_string();
            assert!(text.contains(says), "{text}");
        }
    }
}
