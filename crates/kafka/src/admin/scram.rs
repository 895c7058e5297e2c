//! SCRAM credentials: DescribeUserScramCredentials, AlterUserScramCredentials (KIP-554).

use std::fmt;
use std::num::NonZeroU32;

use bytes::Bytes;
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::alter_user_scram_credentials::{
    AlterUserScramCredentials, AlterUserScramCredentialsRequest, ScramCredentialDeletion,
    ScramCredentialUpsertion,
};
use klamm_kafka_proto::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentials, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResult, UserName,
};

use super::{Admin, Outcomes, To, complete, moved_among, said, text};
use crate::KafkaError;
use crate::security::{ScramMechanism, salted_password};

/// A credential that a user has; what is secret in it Kafka keeps to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScramInfo {
    /// Of which mechanism.
    pub mechanism: ScramMechanism,
    /// How often the password was hashed.
    pub iterations: u32,
}

/// A change of a user's credential.
#[derive(Clone)]
pub enum ScramChange {
    /// Set it, in place of one of the same mechanism.
    Set {
        /// Whose.
        user: String,
        /// Of which mechanism.
        mechanism: ScramMechanism,
        /// How often the password is hashed: Kafka takes 4096 to 16384.
        iterations: NonZeroU32,
        /// Never leaves this process: Kafka gets its hash.
        password: String,
    },
    /// Delete it.
    Delete {
        /// Whose.
        user: String,
        /// Of which mechanism.
        mechanism: ScramMechanism,
    },
}

impl ScramChange {
    /// Whose.
    pub fn user(&self) -> &str {
        match self {
            Self::Set { user, .. } | Self::Delete { user, .. } => user,
        }
    }
}

impl fmt::Debug for ScramChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, mechanism) = match self {
            Self::Set { mechanism, .. } => ("Set", mechanism),
            Self::Delete { mechanism, .. } => ("Delete", mechanism),
        };
        f.debug_struct(name)
            .field("user", &self.user())
            .field("mechanism", mechanism)
            .finish_non_exhaustive()
    }
}

/// As Kafka's own tools have it.
const SALT_BYTES: usize = 16;

impl Admin {
    /// Which credentials users have; all users, or those named. A user without any has an empty list.
    ///
    /// # Errors
    /// Of the connection or the controller. What is wrong with a user stands in its outcome.
    pub async fn describe_scram_credentials(
        &mut self,
        users: Option<&[&str]>,
    ) -> Result<Outcomes<String, Vec<ScramInfo>>, KafkaError> {
        let named = |user: &&str| UserName { name: (*user).into() };
        let request = DescribeUserScramCredentialsRequest {
            users: users.map(|users| users.iter().map(named).collect()),
        };
        let response =
            self.call::<DescribeUserScramCredentials>(To::Any, &request, |r| r.error_code).await?;
        let what = || "SCRAM credentials".to_owned();
        said(response.error_code, response.error_message.as_ref(), what)?;
        let mut outcomes: Outcomes<_, _> = response.results.iter().map(described).collect();
        complete(&mut outcomes, users.into_iter().flatten().map(|user| (*user).to_owned()));
        Ok(outcomes)
    }

    /// Sets and deletes credentials; of one user one in a call, or Kafka refuses them (`DuplicateResource`). The time goes into
    /// hashing: some 10 ms each.
    ///
    /// # Errors
    /// Of the connection or the system's randomness. What is wrong with a user stands in its outcome: `ResourceNotFound` where there was
    /// nothing to delete.
    pub async fn alter_scram_credentials(
        &mut self,
        changes: &[ScramChange],
    ) -> Result<Outcomes<String, ()>, KafkaError> {
        let mut request = AlterUserScramCredentialsRequest::default();
        for change in changes {
            match change {
                ScramChange::Set { user, mechanism, iterations, password } => {
                    request.upsertions.push(upsertion(user, *mechanism, *iterations, password)?);
                }
                ScramChange::Delete { user, mechanism } => {
                    let (name, mechanism) = (user.as_str().into(), number(*mechanism));
                    request.deletions.push(ScramCredentialDeletion { name, mechanism });
                }
            }
        }
        let response = self
            .call::<AlterUserScramCredentials>(To::Controller, &request, |response| {
                moved_among(response.results.iter().map(|result| result.error_code))
            })
            .await?;
        let mut outcomes = Outcomes::new();
        for result in &response.results {
            let what = || format!("SCRAM credentials of '{}'", result.user);
            let outcome = said(result.error_code, result.error_message.as_ref(), what);
            outcomes.insert(text(&result.user), outcome);
        }
        complete(&mut outcomes, changes.iter().map(|change| change.user().to_owned()));
        Ok(outcomes)
    }
}

fn number(mechanism: ScramMechanism) -> i8 {
    match mechanism {
        ScramMechanism::Sha256 => 1,
        ScramMechanism::Sha512 => 2,
    }
}

fn upsertion(
    user: &str,
    mechanism: ScramMechanism,
    iterations: NonZeroU32,
    password: &str,
) -> Result<ScramCredentialUpsertion, KafkaError> {
    let salt: [u8; SALT_BYTES] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| KafkaError::Credentials("the system has no randomness".into()))?
        .expose();
    let refused = || KafkaError::Credentials(format!("{iterations} iterations are too many"));
    Ok(ScramCredentialUpsertion {
        name: user.into(),
        mechanism: number(mechanism),
        iterations: i32::try_from(iterations.get()).map_err(|_| refused())?,
        salt: Bytes::copy_from_slice(&salt),
        salted_password: salted_password(mechanism, password, &salt, iterations).into(),
    })
}

fn described(
    result: &DescribeUserScramCredentialsResult,
) -> (String, Result<Vec<ScramInfo>, KafkaError>) {
    let user = text(&result.user);
    let what = || format!("SCRAM credentials of '{user}'");
    let infos = || {
        let known = result.credential_infos.iter().filter_map(|info| {
            let mechanism = match info.mechanism {
                1 => ScramMechanism::Sha256,
                2 => ScramMechanism::Sha512,
                _ => return None,
            };
            let iterations = u32::try_from(info.iterations).unwrap_or_default();
            Some(ScramInfo { mechanism, iterations })
        });
        known.collect()
    };
    let outcome = match said(result.error_code, result.error_message.as_ref(), what) {
        // A user that was asked about and has none.
        Err(error) if error.code() == Some(ErrorCode::ResourceNotFound) => Ok(Vec::new()),
        outcome => outcome.map(|()| infos()),
    };
    (user, outcome)
}
