//! What a user may say about the cluster, and what Klamm says to librdkafka.

use std::time::Duration;

use klamm_log::LogError;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// How a [`crate::KafkaLog`] uses the cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// `client.id`: what the cluster's logs and quotas know this process by.
    pub client_id: String,
    /// `group.id` of the readers. They never join the group or commit to it; librdkafka wants a name to
    /// assign partitions under.
    pub group_id: String,
    /// How long the producer waits for more records before it sends. The property `linger.ms` overrides it.
    pub linger: Duration,
    /// How long an append may wait for its acknowledgement, outages and retries included.
    pub delivery_timeout: Duration,
    /// How long a question to the cluster may take: metadata, offsets, administration.
    pub request_timeout: Duration,
    /// How long [`klamm_log::Log::close`] waits for appends under way.
    pub close_timeout: Duration,
    /// Bytes of appends not yet acknowledged at which [`LogError::Full`] is said, librdkafka's own
    /// memory for each record included. The append that crosses the bound is still taken.
    pub pending_bytes: usize,
    /// Bytes fetched ahead for each open reader.
    pub read_ahead_bytes: usize,
    /// Consumer handles, and thereby readers that one partition serves at the same time; more take turns.
    pub lanes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "klamm".to_owned(),
            group_id: "klamm".to_owned(),
            // Kafka's own default since 4.0 (KIP-1030). Over many partitions it spares the brokers most requests.
            linger: Duration::from_millis(5),
            // A broker that restarts, or a leader elected elsewhere, is back well within this.
            delivery_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            pending_bytes: 64 << 20, // at 20,000 records/s of 100 B and 356 B of cost: 9 s of outage
            read_ahead_bytes: 256 << 10, // 1,000 partitions far behind: 256 MB
            lanes: 4,
        }
    }
}

/// Properties that Klamm's promises rest on, and who decides them.
const OWN: &[(&str, &str)] = &[
    ("acks", ACKS),
    ("allow.auto.create.topics", "topics are created by routes, with their partitions"),
    ("auto.offset.reset", "readers say themselves where they begin"),
    ("bootstrap.servers", "the servers are given apart"),
    ("client.id", "it is an option"),
    ("delivery.report.only.error", ACKS),
    ("delivery.timeout.ms", TIMEOUT),
    ("enable.auto.commit", "nothing is committed"),
    ("enable.auto.offset.store", "nothing is committed"),
    ("enable.gapless.guarantee", ACKS),
    ("enable.idempotence", ACKS),
    ("enable.partition.eof", "readers rely on it"),
    ("group.id", "it is an option"),
    ("isolation.level", "records of aborted transactions are not delivered"),
    ("message.timeout.ms", TIMEOUT),
    ("metadata.broker.list", "the servers are given apart"),
    ("partitioner", "routes choose the partition"),
    ("queue.buffering.max.kbytes", "the bound on pending bytes is an option"),
    ("queue.buffering.max.messages", "the bound on pending bytes is an option"),
    ("request.required.acks", ACKS),
    ("transactional.id", ACKS),
];
const ACKS: &str = "an append is acknowledged by all in-sync replicas, once";
const TIMEOUT: &str = "the delivery timeout is an option";

/// Property, beginnings of values (none: any) that this build cannot serve without OpenSSL.
#[cfg(not(feature = "tls"))]
const NEEDS_TLS: &[(&str, &[&str])] = &[
    ("security.protocol", &["ssl", "sasl_ssl"]),
    ("sasl.mechanism", &["scram-", "oauthbearer"]),
    ("sasl.mechanisms", &["scram-", "oauthbearer"]),
    ("ssl.", &[]),
];

/// Takes the user's properties as they are, or names the one that cannot be.
///
/// # Errors
/// [`LogError::InvalidConfig`]. Values are not repeated: they may be passwords.
pub(crate) fn check(properties: &[(String, String)]) -> Result<(), LogError> {
    for (name, value) in properties {
        if let Some((_, why)) = OWN.iter().find(|(own, _)| own == name) {
            return Err(LogError::InvalidConfig(format!(
                "Kafka property '{name}' is not for setting: {why}"
            )));
        }
        #[cfg(not(feature = "tls"))]
        check_tls(name, value)?;
        let one = ClientConfig::new().set(name, value).create_native_config();
        if let Err(error) = one {
            return Err(LogError::InvalidConfig(format!(
                "Kafka property '{name}': {}",
                text(&error)
            )));
        }
    }
    Ok(())
}

#[cfg(not(feature = "tls"))]
fn check_tls(name: &str, value: &str) -> Result<(), LogError> {
    let value = value.to_ascii_lowercase();
    let needs = NEEDS_TLS.iter().any(|(property, values)| {
        let named = if values.is_empty() { name.starts_with(property) } else { name == *property };
        named && (values.is_empty() || values.iter().any(|v| value.starts_with(v)))
    });
    if needs {
        return Err(LogError::InvalidConfig(format!(
            "Kafka property '{name}' as given needs TLS, which this build leaves out; \
             build with the cargo feature `tls` of klamm-log-kafka"
        )));
    }
    Ok(())
}

/// What librdkafka says about a configuration, without its own decoration.
pub(crate) fn text(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, ..) | KafkaError::ClientCreation(text) => text.clone(),
        other => other.to_string(),
    }
}

fn common(bootstrap: &str, options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", &options.client_id)
        .set("allow.auto.create.topics", "false")
        // Back within a second of a broker's return, without hammering one that stays away.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // How long a topic may be unknown to a broker after a handle first saw it, before it counts as deleted.
        .set("topic.metadata.propagation.max.ms", "5000")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true");
    config
}

fn with(mut config: ClientConfig, properties: &[(String, String)]) -> ClientConfig {
    for (name, value) in properties {
        config.set(name, value);
    }
    config
}

/// The one producer: idempotent, acknowledged by all in-sync replicas, order kept through retries.
pub(crate) fn producer(
    bootstrap: &str,
    properties: &[(String, String)],
    options: &Options,
) -> ClientConfig {
    let mut config = common(bootstrap, options);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", options.linger.as_millis().to_string())
        .set("message.timeout.ms", options.delivery_timeout.as_millis().to_string())
        // The bound is `Budget`, which counts before anything is taken; these are only above it.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", i32::MAX.to_string())
        // The topic's max.message.bytes decides; librdkafka's largest value stays out of its way.
        .set("message.max.bytes", "1000000000");
    // librdkafka takes the last of two names for one property in no certain order.
    if properties.iter().any(|(name, _)| name == "queue.buffering.max.ms") {
        config.remove("linger.ms");
    }
    with(config, properties)
}

/// A consumer handle whose partitions are assigned one by one.
pub(crate) fn consumer(
    bootstrap: &str,
    properties: &[(String, String)],
    options: &Options,
) -> ClientConfig {
    let mut config = common(bootstrap, options);
    let kbytes = (options.read_ahead_bytes >> 10).max(1);
    config
        .set("group.id", &options.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", kbytes.to_string())
        .set("fetch.message.max.bytes", options.read_ahead_bytes.to_string())
        // The next fetch follows as soon as there is room, not a second later.
        .set("fetch.queue.backoff.ms", "5")
        // A reader that joins a handle waits for the fetch under way to return.
        .set("fetch.wait.max.ms", "100");
    with(config, properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, value: &str) -> String {
        let Err(LogError::InvalidConfig(text)) = check(&[(name.to_owned(), value.to_owned())])
        else {
            panic!("{name}={value} was taken");
        };
        text
    }

    #[test]
    fn impossible_properties_are_named() {
        assert!(refusal("compresion.type", "lz4").contains("'compresion.type'"));
        assert!(refusal("compression.type", "lzma").contains("'compression.type'"));
        assert!(refusal("socket.timeout.ms", "soon").contains("'socket.timeout.ms'"));
    }

    #[test]
    fn properties_that_promises_rest_on_are_refused() {
        for (name, _) in OWN {
            assert!(refusal(name, "1").contains("not for setting"), "{name}");
        }
    }

    #[test]
    fn compression_of_every_kind_can_be_chosen() {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let chosen = ("compression.type".to_owned(), codec.to_owned());
            assert!(check(&[chosen]).is_ok(), "{codec}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_the_feature_is_refused_by_the_features_name() {
        for (name, value) in [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("ssl.ca.location", "/etc/ca.pem"),
        ] {
            assert!(refusal(name, value).contains("feature `tls`"), "{name}");
        }
        let plain = ("security.protocol".to_owned(), "sasl_plaintext".to_owned());
        assert!(check(&[plain]).is_ok());
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_and_scram_are_taken_with_the_feature() {
        for (name, value) in
            [("security.protocol", "sasl_ssl"), ("sasl.mechanisms", "SCRAM-SHA-512")]
        {
            assert!(check(&[(name.to_owned(), value.to_owned())]).is_ok(), "{name}");
        }
    }
}
