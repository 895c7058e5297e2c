//! Topics: names, ids, what a new one is made of.

use std::fmt;
use std::sync::Arc;

use crate::LogError;

/// Kafka's own limit (`org.apache.kafka.common.internals.Topic`): the name plus `-` and a partition
/// number must fit a file name of 255 bytes.
const NAME_BYTES_MAX: usize = 249;

/// A topic's identity over its whole life (KIP-516); a topic made again under the same name has another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub uuid::Uuid);

impl TopicId {
    /// Sixteen zero bytes: no id known.
    pub const NIL: Self = Self(uuid::Uuid::nil());
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A topic as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; [`TopicId::NIL`] when the log in use does not tell.
    pub id: TopicId,
    /// Number of partitions.
    pub partitions: u32,
    /// The log's own bookkeeping, not users' records.
    pub internal: bool,
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; `None` takes the log's default.
    pub partitions: Option<u32>,
    /// Replication factor; `None` takes the log's default. The embedded log keeps one copy.
    pub replication: Option<u16>,
    /// Topic configurations by their Kafka names, such as `retention.ms`.
    pub configs: Vec<(String, String)>,
}

/// Checks a topic name by Kafka's rules: 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`.
///
/// # Errors
/// [`LogError::InvalidTopic`] with the broken rule.
pub fn validate_topic_name(name: &str) -> Result<(), LogError> {
    let why = if name.is_empty() {
        "is empty".to_owned()
    } else if name == "." || name == ".." {
        "is a folder's name".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("is longer than {NAME_BYTES_MAX} bytes")
    } else if let Some(bad) =
        name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
    {
        format!("holds {bad:?}; letters, digits, '.', '_' and '-' may stand there")
    } else {
        return Ok(());
    };
    Err(LogError::InvalidTopic { name: name.chars().take(NAME_BYTES_MAX).collect(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        for good in ["a", "mqtt.default", "A-9_z", &"x".repeat(249)] {
            assert!(validate_topic_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(250)] {
            assert!(validate_topic_name(bad).is_err(), "{bad}");
        }
    }
}
