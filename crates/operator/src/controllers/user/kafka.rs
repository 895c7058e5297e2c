//! Users of an Apache Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use klamm_kafka::KafkaError;
use klamm_kafka::admin::{
    Acl, AclFilter, Outcomes, QuotaAlteration, QuotaEntity, QuotaEntityType, QuotaFilter,
    QuotaMatch, ScramChange,
};
use klamm_kafka::security::ScramMechanism;
use klamm_kafka_proto::ErrorCode;

use super::admin::{Credential, QuotaChange, Quotas, UserAdmin};
use crate::kafka::Lent;

/// One who has Kafka's ear.
pub(crate) struct KafkaUsers(pub(crate) Lent);

/// What Kafka's own tools take. Our passwords are random: hashing them more often would protect nobody better.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4_096).expect("not zero");

/// Rules in one request: the controller writes a record for each, 10,000 at most in one batch.
const ACLS_MAX: usize = 1_000;

impl UserAdmin for KafkaUsers {
    async fn credentials(&mut self, users: &[&str]) -> Result<Outcomes<String, bool>, KafkaError> {
        let answers = self.0.describe_scram_credentials(Some(users)).await?;
        let has_one = |(user, answer): (String, Result<Vec<_>, KafkaError>)| {
            let known = answer.map(|infos: Vec<klamm_kafka::admin::ScramInfo>| {
                infos.iter().any(|info| info.mechanism == ScramMechanism::Sha512)
            });
            let known = match known {
                Err(error) if error.code() == Some(ErrorCode::ResourceNotFound) => Ok(false),
                known => known,
            };
            (user, known)
        };
        Ok(answers.into_iter().map(has_one).collect())
    }

    async fn set_credentials(
        &mut self,
        credentials: &[Credential],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let change = |credential: &Credential| {
            let (user, mechanism) = (credential.user.clone(), ScramMechanism::Sha512);
            match credential.password.clone() {
                Some(password) => {
                    ScramChange::Set { user, mechanism, iterations: ITERATIONS, password }
                }
                None => ScramChange::Delete { user, mechanism },
            }
        };
        let changes: Vec<ScramChange> = credentials.iter().map(change).collect();
        let answers = self.0.alter_scram_credentials(&changes).await?;
        let gone = |error: &KafkaError| error.code() == Some(ErrorCode::ResourceNotFound);
        let answer = |(user, answer): (String, Result<(), KafkaError>)| match answer {
            Err(error) if gone(&error) => (user, Ok(())),
            answer => (user, answer),
        };
        Ok(answers.into_iter().map(answer).collect())
    }

    async fn acls(&mut self) -> Result<BTreeSet<Acl>, KafkaError> {
        match self.0.describe_acls(&AclFilter::default()).await {
            Ok(acls) => Ok(acls.into_iter().collect()),
            Err(error) if error.code() == Some(ErrorCode::SecurityDisabled) => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    async fn create_acls(&mut self, acls: &[Acl]) -> Result<Vec<(Acl, KafkaError)>, KafkaError> {
        let mut failed = Vec::new();
        for some in acls.chunks(ACLS_MAX) {
            let answers = self.0.create_acls(some).await?;
            failed.extend(some.iter().cloned().zip(answers).filter_map(error_of));
        }
        Ok(failed)
    }

    async fn delete_acls(&mut self, acls: &[Acl]) -> Result<Vec<(Acl, KafkaError)>, KafkaError> {
        let mut failed = Vec::new();
        for some in acls.chunks(ACLS_MAX) {
            let filters: Vec<AclFilter> = some.iter().map(AclFilter::from).collect();
            let answers = self.0.delete_acls(&filters).await?;
            failed.extend(some.iter().cloned().zip(answers).filter_map(error_of));
        }
        Ok(failed)
    }

    async fn quotas(&mut self) -> Result<BTreeMap<String, Quotas>, KafkaError> {
        let components = [(QuotaEntityType::User, QuotaMatch::Any)].into();
        let filter = QuotaFilter { components, strict: true };
        let all = self.0.describe_client_quotas(&filter).await?;
        let of_user = |(mut entity, quotas): (QuotaEntity, Quotas)| {
            Some((entity.remove(&QuotaEntityType::User)??, quotas))
        };
        Ok(all.into_iter().filter_map(of_user).collect())
    }

    async fn set_quotas(
        &mut self,
        changes: &[QuotaChange],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let alteration = |change: &QuotaChange| QuotaAlteration {
            entity: [(QuotaEntityType::User, Some(change.user.clone()))].into(),
            quotas: change.quotas.clone(),
        };
        let alterations: Vec<_> = changes.iter().map(alteration).collect();
        let answers = self.0.alter_client_quotas(&alterations, false).await?;
        let of_user = |(mut entity, answer): (QuotaEntity, _)| {
            Some((entity.remove(&QuotaEntityType::User)??, answer))
        };
        Ok(answers.into_iter().filter_map(of_user).collect())
    }
}

fn error_of<T>((acl, answer): (Acl, Result<T, KafkaError>)) -> Option<(Acl, KafkaError)> {
    answer.err().map(|error| (acl, error))
}
