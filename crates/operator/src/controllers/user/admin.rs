//! What the controller asks of Kafka. All of it is in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use klamm_kafka::KafkaError;
use klamm_kafka::admin::{Acl, Outcomes};

/// A SCRAM-SHA-512 credential to be set, or without a password to be taken away.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, set: {})", self.user, self.password.is_some())
    }
}

/// An entity's quotas by name.
pub(crate) type Quotas = BTreeMap<String, f64>;

/// Quotas of an entity to be set, or taken away.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuotaChange {
    pub(crate) user: String,
    pub(crate) quotas: BTreeMap<String, Option<f64>>,
}

type Answer<T> = Result<T, KafkaError>;

/// Kafka, as far as users go. Errors of a whole call are those of the connection.
pub(crate) trait UserAdmin: Send {
    /// Which of these have a SCRAM-SHA-512 credential.
    fn credentials(
        &mut self,
        users: &[&str],
    ) -> impl Future<Output = Answer<Outcomes<String, bool>>> + Send;

    fn set_credentials(
        &mut self,
        credentials: &[Credential],
    ) -> impl Future<Output = Answer<Outcomes<String, ()>>> + Send;

    /// Everybody's rules.
    fn acls(&mut self) -> impl Future<Output = Answer<BTreeSet<Acl>>> + Send;

    /// The errors of those that were not made.
    fn create_acls(
        &mut self,
        acls: &[Acl],
    ) -> impl Future<Output = Answer<Vec<(Acl, KafkaError)>>> + Send;

    /// The errors of those that were not deleted.
    fn delete_acls(
        &mut self,
        acls: &[Acl],
    ) -> impl Future<Output = Answer<Vec<(Acl, KafkaError)>>> + Send;

    /// Quotas of users as such, in whatever address or with whatever client id.
    fn quotas(&mut self) -> impl Future<Output = Answer<BTreeMap<String, Quotas>>> + Send;

    fn set_quotas(
        &mut self,
        changes: &[QuotaChange],
    ) -> impl Future<Output = Answer<Outcomes<String, ()>>> + Send;
}
