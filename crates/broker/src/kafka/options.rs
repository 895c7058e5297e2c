//! How the Kafka side is set up.

use std::time::Duration;

use super::coordinator::GroupLimits;

/// Settings of a [`super::KafkaService`].
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Host and port that clients are told to connect to; `None` tells each the address it connected to.
    pub advertised: Option<(String, u16)>,
    /// `node.id` of the one broker.
    pub node_id: i32,
    /// Metadata of an unknown topic makes it (`auto.create.topics.enable`).
    pub auto_create_topics: bool,
    /// Partitions of a topic made without a number (`num.partitions`).
    pub default_partitions: u32,
    /// Bytes of records in a Fetch response, whatever the client asks for (`fetch.max.bytes`).
    pub fetch_bytes_max: usize,
    /// Shortest session of a group's member (`group.min.session.timeout.ms`).
    pub session_timeout_min: Duration,
    /// Longest session of a group's member (`group.max.session.timeout.ms`).
    pub session_timeout_max: Duration,
    /// Members of a group (`group.max.size`).
    pub group_size_max: usize,
    /// Groups in all.
    pub groups_max: usize,
    /// Bytes of memory for all groups and committed offsets.
    pub groups_bytes_max: u64,
    /// How long offsets are kept after their group's last member left (`offsets.retention.minutes`).
    pub offsets_retention: Duration,
    /// Bytes of `__consumer_offsets` below which it is not written anew.
    pub offsets_snapshot_bytes: u64,
}

impl Default for KafkaOptions {
    /// Kafka's own defaults but for those below.
    fn default() -> Self {
        Self {
            advertised: None,
            node_id: 1,
            auto_create_topics: true,
            default_partitions: 4,
            // A third of Kafka's 55 MiB: it is held in memory for each client that reads slowly, and larger answers
            // are not faster.
            fetch_bytes_max: 16 << 20,
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(1800),
            // Kafka has no bound. The leader of so many members answers with a megabyte for a kilobyte each.
            group_size_max: 1000,
            groups_max: 10_000,
            // 10,000 groups with 64 offsets of 400 bytes each.
            groups_bytes_max: 256 << 20,
            offsets_retention: Duration::from_secs(7 * 24 * 3600),
            offsets_snapshot_bytes: 1 << 20,
        }
    }
}

impl KafkaOptions {
    pub(super) fn group_limits(&self) -> GroupLimits {
        GroupLimits {
            group_size_max: self.group_size_max,
            groups_max: self.groups_max,
            table_bytes_max: self.groups_bytes_max,
            offsets_retention_ms: self.offsets_retention.as_millis() as i64,
            snapshot_bytes_min: self.offsets_snapshot_bytes,
        }
    }
}
