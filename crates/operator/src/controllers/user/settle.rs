//! Makes users in Kafka what they should be: a few requests for hundreds of them.

use std::collections::{BTreeMap, BTreeSet};

use klamm_kafka::KafkaError;
use klamm_kafka::admin::Acl;

use super::admin::{Credential, QuotaChange, UserAdmin};
use super::build::{diff_acls, diff_quotas};
use super::validate::{Leaving, QUOTAS, Wanted};

/// What Kafka should have of a user.
#[derive(Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) credential: CredentialTarget,
    /// Each principal with exactly these rules.
    pub(crate) acls: Vec<(String, BTreeSet<Acl>)>,
    /// Each entity with these quotas, and without those that have no value.
    pub(crate) quotas: Vec<(String, BTreeMap<String, Option<f64>>)>,
}

/// A user's SCRAM credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum CredentialTarget {
    /// Nothing is said about it.
    Leave,
    /// There should be none.
    Absent,
    /// There should be one.
    Present {
        password: String,
        /// It is what was set before: enough if there is any.
        is_delivered: bool,
    },
}

/// What was done for a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) is_credential_set: bool,
}

/// By user.
pub(crate) type Settled = BTreeMap<String, Result<Done, KafkaError>>;

impl Target {
    /// Nothing of a user that goes.
    pub(crate) fn without(leaving: &Leaving) -> Self {
        let credential =
            if leaving.has_credential { CredentialTarget::Absent } else { CredentialTarget::Leave };
        let none = || QUOTAS.iter().map(|name| ((*name).to_owned(), None)).collect();
        Self {
            name: leaving.name.clone(),
            credential,
            acls: leaving.acls.iter().map(|of| (of.clone(), BTreeSet::new())).collect(),
            quotas: leaving.quotas.iter().map(|of| (of.clone(), none())).collect(),
        }
    }

    /// What is wanted; and nothing any more of what the user was before it authenticated in another way.
    pub(crate) fn with(wanted: &Wanted, credential: CredentialTarget) -> Self {
        let mut target = match &wanted.former {
            Some(former) => Self::without(former),
            None => Self {
                name: wanted.name.clone(),
                credential: CredentialTarget::Leave,
                acls: Vec::new(),
                quotas: Vec::new(),
            },
        };
        if credential != CredentialTarget::Leave {
            target.credential = credential;
        }
        target.acls.extend(wanted.acls.clone().map(|acls| (wanted.principal.clone(), acls)));
        target.quotas.extend(wanted.quotas.clone().map(|quotas| (wanted.entity.clone(), quotas)));
        target
    }
}

/// # Errors
/// Of the connection; what was not come to is done the next time.
pub(crate) async fn settle<T: UserAdmin>(
    admin: &mut T,
    targets: &[Target],
) -> Result<Settled, KafkaError> {
    let mut settled: Settled =
        targets.iter().map(|target| (target.name.clone(), Ok(Done::default()))).collect();
    credentials(admin, targets, &mut settled).await?;
    acls(admin, targets, &mut settled).await?;
    quotas(admin, targets, &mut settled).await?;
    Ok(settled)
}

async fn credentials<T: UserAdmin>(
    admin: &mut T,
    targets: &[Target],
    settled: &mut Settled,
) -> Result<(), KafkaError> {
    let concerned = targets.iter().filter(|target| target.credential != CredentialTarget::Leave);
    let concerned: Vec<&Target> = concerned.collect();
    if concerned.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = concerned.iter().map(|target| target.name.as_str()).collect();
    let there = admin.credentials(&names).await?;
    let mut changes = Vec::new();
    for target in concerned {
        let has_one = match there.get(&target.name) {
            Some(Ok(has_one)) => *has_one,
            Some(Err(error)) => {
                settled.insert(target.name.clone(), Err(error.clone()));
                continue;
            }
            None => false,
        };
        let password = match &target.credential {
            CredentialTarget::Present { is_delivered, .. } if has_one && *is_delivered => continue,
            CredentialTarget::Present { password, .. } => Some(password.clone()),
            CredentialTarget::Absent if has_one => None,
            CredentialTarget::Absent | CredentialTarget::Leave => continue,
        };
        changes.push(Credential { user: target.name.clone(), password });
    }
    if changes.is_empty() {
        return Ok(());
    }
    for (user, answer) in admin.set_credentials(&changes).await? {
        settled.insert(user, answer.map(|()| Done { is_credential_set: true }));
    }
    Ok(())
}

async fn acls<T: UserAdmin>(
    admin: &mut T,
    targets: &[Target],
    settled: &mut Settled,
) -> Result<(), KafkaError> {
    if targets.iter().all(|target| target.acls.is_empty()) {
        return Ok(());
    }
    let there = admin.acls().await?;
    let (mut create, mut delete, mut users) = (Vec::new(), Vec::new(), BTreeMap::new());
    for target in targets {
        for (principal, wanted) in &target.acls {
            let change = diff_acls(wanted, principal, &there);
            create.extend(change.create);
            delete.extend(change.delete);
            users.insert(principal.clone(), target.name.clone());
        }
    }
    // Made first, deleted then: a user that is at work loses nothing in between.
    let mut failed = Vec::new();
    if !create.is_empty() {
        failed.extend(admin.create_acls(&create).await?);
    }
    if !delete.is_empty() {
        failed.extend(admin.delete_acls(&delete).await?);
    }
    for (acl, error) in failed {
        if let Some(user) = users.get(&acl.principal) {
            settled.insert(user.clone(), Err(error));
        }
    }
    Ok(())
}

async fn quotas<T: UserAdmin>(
    admin: &mut T,
    targets: &[Target],
    settled: &mut Settled,
) -> Result<(), KafkaError> {
    if targets.iter().all(|target| target.quotas.is_empty()) {
        return Ok(());
    }
    let there = admin.quotas().await?;
    let (mut changes, mut users) = (Vec::new(), BTreeMap::new());
    for target in targets {
        for (entity, wanted) in &target.quotas {
            let quotas = diff_quotas(wanted, there.get(entity));
            if !quotas.is_empty() {
                users.insert(entity.clone(), target.name.clone());
                changes.push(QuotaChange { user: entity.clone(), quotas });
            }
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    for (entity, answer) in admin.set_quotas(&changes).await? {
        if let (Some(user), Err(error)) = (users.get(&entity), answer) {
            settled.insert(user.clone(), Err(error));
        }
    }
    Ok(())
}
