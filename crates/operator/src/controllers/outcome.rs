//! What controllers of topics and users do after success and failure.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use klamm_kafka::KafkaError;

use super::objects::Edited;
use super::registry::Key;
use super::status::Told;

/// Requests to Kubernetes at once: enough to hide the way there and back, few enough for other controllers to get a word in.
pub(crate) const AT_ONCE: usize = 16;

/// After a conflict, the new state is on its way.
pub(crate) const CONFLICT_AGAIN: Duration = Duration::from_secs(1);
/// After an error of Kubernetes or Kafka that may not come again.
pub(crate) const ERROR_AGAIN: Duration = Duration::from_secs(5);

/// A resource goes without Kafka when Kafka did not do its part for so long: namespaces must not hang.
pub(crate) const RELEASE_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// Who has to be looked at again after a change of a resource.
pub(crate) fn edited<R>(key: Key, outcome: Result<Edited<R>, String>) -> Option<(Key, Duration)> {
    match outcome {
        Ok(Edited::Now(_) | Edited::Gone) => None,
        Ok(Edited::Stale) => Some((key, CONFLICT_AGAIN)),
        Err(error) => Some(failed(key, &error)),
    }
}

pub(crate) fn failed(key: Key, error: &str) -> (Key, Duration) {
    tracing::warn!(%key, error, "cannot read from or write to Kubernetes");
    (key, ERROR_AGAIN)
}

/// Kafka's own words.
pub(crate) fn refused(error: &KafkaError) -> Told {
    Told::no("Refused", error.to_string())
}
