//! What a KafkaUser's status says. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use klamm_crd::{Conditions, KafkaUser, KafkaUserStatus};

use crate::controllers::status::{READY, Told};

/// What became of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ready(Account),
    NotReady(Told),
    /// Kafka cannot be asked. Who was ready stays so: what is in Kafka has not changed by it.
    Unreachable(String),
}

/// A user as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) principal: String,
    pub(crate) secret: String,
    pub(crate) not_after: Option<String>,
}

/// The new status, if it differs from the old one.
pub(crate) fn status(user: &KafkaUser, outcome: &Outcome, now: &Time) -> Option<KafkaUserStatus> {
    let before = user.status.clone().unwrap_or_default();
    let generation = user.metadata.generation;
    let mut status = KafkaUserStatus { observed_generation: generation, ..before.clone() };
    let was_ready = before
        .conditions
        .of(READY)
        .is_some_and(|ready| ready.status == "True" && ready.observed_generation == generation);
    let told = match outcome {
        Outcome::Ready(account) => {
            status.principal = Some(account.principal.clone());
            status.secret = Some(account.secret.clone());
            status.not_after = account.not_after.clone();
            let message = format!("{}; Secret {}", account.principal, account.secret);
            Told::yes("Ready", message)
        }
        Outcome::NotReady(told) => told.clone(),
        Outcome::Unreachable(_) if was_ready => return None,
        Outcome::Unreachable(why) => Told::no("Unreachable", why),
    };
    told.write(&mut status.conditions, generation, now);
    (status != before).then_some(status)
}
