//! Conditions of topics and users.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use klamm_crd::{Condition, Conditions};

/// The condition that says whether Kafka has what the resource asks for.
pub(crate) const READY: &str = "Ready";

/// A condition holds 32,768 characters; a person reads fewer.
const MESSAGE_CHARS_MAX: usize = 1024;

/// What `Ready` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) is_ready: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Told {
    pub(crate) fn yes(reason: &str, message: impl Into<String>) -> Self {
        Self { is_ready: true, reason: reason.to_owned(), message: message.into() }
    }

    pub(crate) fn no(reason: &str, message: impl Into<String>) -> Self {
        Self { is_ready: false, ..Self::yes(reason, message) }
    }

    pub(crate) fn write(
        &self,
        conditions: &mut Vec<Condition>,
        generation: Option<i64>,
        now: &Time,
    ) {
        let message: String = self.message.chars().take(MESSAGE_CHARS_MAX).collect();
        let now = now.clone();
        conditions.set(READY, self.is_ready, &self.reason, &message, generation, now);
    }
}
