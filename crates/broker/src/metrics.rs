//! What the broker counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that others may look at while it changes.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Subtracts, for what can go down too.
    pub fn subtract(&self, by: u64) {
        self.0.fetch_sub(by, Ordering::Relaxed);
    }

    /// The number now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

macro_rules! metrics {
    ($($kind:ident $name:ident $help:literal,)*) => {
        /// Every number of the broker, by name.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $name: Count,)*
        }

        impl Metrics {
            /// `(kind, name, help, number now)` of each.
            pub fn all(&self) -> Vec<(Kind, &'static str, &'static str, u64)> {
                vec![$((Kind::$kind, stringify!($name), $help, self.$name.now()),)*]
            }
        }
    };
}

metrics! {
    Gauge mqtt_connections "MQTT clients connected",
    Counter mqtt_connects "MQTT clients accepted",
    Counter mqtt_connects_refused "MQTT clients refused",
    Counter mqtt_connections_failed "MQTT clients accepted whose connection ended in an error",
    Gauge mqtt_connections_waiting "MQTT clients that are not read because the log has no room",
    Counter mqtt_messages_in "messages published by MQTT clients",
    Counter mqtt_payload_bytes_in "payload bytes published by MQTT clients",
    Counter mqtt_publish_failures "messages of MQTT clients that the log did not take",
    Gauge subscriptions "subscriptions of all sessions",
    Counter deliveries "messages handed to subscribers",
    Counter deliveries_dropped "messages of QoS 0 dropped because their subscriber is slow",
    Gauge subscribers_lagging "subscribers that read from the log because they are slow",
    Counter records_without_name "records that no MQTT topic name could be found for",
    Counter records_unreadable "record batches that could not be read",
    Counter records_lost_to_retention "records deleted before a slow reader came to them",
    Gauge tails "partitions being followed",
    Counter kafka_requests "requests of Kafka clients",
    Counter kafka_records_in "records produced by Kafka clients",
    Counter kafka_bytes_in "bytes of record batches produced by Kafka clients",
    Counter kafka_bytes_out "bytes of record batches fetched by Kafka clients",
    Counter kafka_produce_failures "record batches of Kafka clients that the log did not take",
    Gauge kafka_groups "consumer groups",
    Counter kafka_rebalances "rebalances begun in consumer groups",
    Counter kafka_offset_commits "offsets committed by consumer groups",
}
