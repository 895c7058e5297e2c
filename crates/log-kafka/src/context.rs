//! What librdkafka's handles call back: logs to `tracing`, errors to [`Health`].

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::health::Health;

#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) health: Arc<Health>,
}

impl ClientContext for Context {
    fn log(&self, level: Level, facility: &str, message: &str) {
        // One set of properties serves producers and consumers: librdkafka remarks on each that is the other's. A
        // connection's failure is said again, with its consequence, by `Health`.
        let level = if matches!(facility, "CONFWARN" | "FAIL") { Level::Debug } else { level };
        match level {
            Level::Emerg | Level::Alert | Level::Critical | Level::Error => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            Level::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            Level::Notice | Level::Info => {
                tracing::info!(target: "librdkafka", facility, "{message}");
            }
            Level::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if let Some(code) = error.rdkafka_error_code() {
            self.health.failed(code, reason);
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Context {}
