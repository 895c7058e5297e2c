//! Secrets of users and of clusters.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as Object;
use klamm_crd::KafkaUser;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};

use crate::apply::{FIELD_MANAGER, LABEL_MANAGED_BY, words};
use crate::ca::Secret;
use crate::controllers::registry::{Claimant, Key};

/// The label of Secrets that are delivered: the user resource's name.
pub(crate) const USER: &str = "klamm.dev/kafka-user";

/// A Secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) secret: Secret,
    /// The uid of the resource that it goes with.
    pub(crate) owner: Option<String>,
    /// Of the whole object.
    pub(crate) version: Option<String>,
}

/// Secrets, read past all caches. The error is for the log: everything is tried again later.
pub(crate) trait Secrets: Sync {
    fn read(&self, key: &Key) -> impl Future<Output = Result<Option<Stored>, String>> + Send;

    /// Writes a Secret of this user's over what was read; none if somebody else was faster.
    fn write(
        &self,
        user: &KafkaUser,
        key: &Key,
        secret: &Secret,
        there: Option<&Stored>,
    ) -> impl Future<Output = Result<Option<Stored>, String>> + Send;

    /// Deletes what was read, and nothing that took its place.
    fn delete(&self, key: &Key, there: &Stored) -> impl Future<Output = Result<(), String>> + Send;
}

#[derive(Clone)]
pub(crate) struct KubernetesSecrets(pub(crate) Client);

impl KubernetesSecrets {
    fn api(&self, key: &Key) -> Api<Object> {
        Api::namespaced(self.0.clone(), &key.namespace)
    }
}

impl Secrets for KubernetesSecrets {
    async fn read(&self, key: &Key) -> Result<Option<Stored>, String> {
        let found = self.api(key).get_opt(&key.name).await.map_err(|error| words(&error))?;
        Ok(found.map(stored))
    }

    async fn write(
        &self,
        user: &KafkaUser,
        key: &Key,
        secret: &Secret,
        there: Option<&Stored>,
    ) -> Result<Option<Stored>, String> {
        let object = object(user, key, secret, there);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), dry_run: false };
        let api = self.api(key);
        let written = match there {
            None => api.create(&params, &object).await,
            Some(_) => api.replace(&key.name, &params, &object).await,
        };
        match written {
            Ok(object) => Ok(Some(stored(object))),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(None),
            Err(error) => Err(words(&error)),
        }
    }

    async fn delete(&self, key: &Key, there: &Stored) -> Result<(), String> {
        let preconditions = Preconditions { resource_version: there.version.clone(), uid: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.api(key).delete(&key.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            Err(error) => Err(words(&error)),
        }
    }
}

fn stored(object: Object) -> Stored {
    let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true));
    Stored {
        owner: owner.map(|owner| owner.uid.clone()),
        version: object.resource_version(),
        secret: Secret {
            data: object.data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect(),
            annotations: object.metadata.annotations.unwrap_or_default(),
        },
    }
}

fn object(user: &KafkaUser, key: &Key, secret: &Secret, there: Option<&Stored>) -> Object {
    let labels = [
        (USER, user.name_any()),
        ("klamm.dev/cluster", user.cluster().name),
        (LABEL_MANAGED_BY, FIELD_MANAGER.to_owned()),
        ("app.kubernetes.io/part-of", "klamm".to_owned()),
    ];
    let labels: BTreeMap<String, String> =
        labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let data = secret.data.iter().map(|(name, value)| (name.clone(), ByteString(value.clone())));
    Object {
        metadata: ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            labels: Some(labels),
            annotations: Some(secret.annotations.clone()),
            owner_references: user.controller_owner_ref(&()).map(|owner| vec![owner]),
            resource_version: there.and_then(|there| there.version.clone()),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..Object::default()
    }
}
