//! Server-side apply: what is built gets into Kubernetes, and what is not built any more gets out.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::model::Fingerprint;

/// The field manager of everything the operator applies.
pub const FIELD_MANAGER: &str = "klamm-operator";
/// Label of everything that is applied; its value is [`FIELD_MANAGER`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Selects what this operator made.
pub fn managed() -> String {
    format!("{LABEL_MANAGED_BY}={FIELD_MANAGER}")
}

/// An object that was applied is applied again after so long even if nothing changed: somebody else may have changed it.
const REPEAT: Duration = Duration::from_secs(30);
const FORGOTTEN: Duration = Duration::from_secs(600);

/// What went wrong, in Kubernetes' own sentence.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        error => error.to_string(),
    }
}

/// There is no such object, or no such kind: of a kind it does not know the API server says so in a text, without a reason.
pub fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Applies objects of a namespace, each only when it changed or some time went by.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    applied: Arc<Mutex<HashMap<Key, Applied>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Debug)]
struct Applied {
    content: Fingerprint,
    at: Instant,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Applier")
    }
}

impl Applier {
    /// With nothing applied yet.
    pub fn new(client: Client) -> Self {
        Self { client, applied: Arc::default() }
    }

    /// Applies an object of a namespace, owned by nobody else than before. True if the API server was asked.
    ///
    /// # Errors
    /// Of the API server.
    pub async fn apply<K>(&self, object: &K) -> Result<bool, kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Serialize
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        let key = key(object);
        let api = Api::namespaced(self.client.clone(), &key.namespace);
        self.apply_with(&api, key, object).await
    }

    /// Applies an object of a kind that is not known here, in a namespace.
    ///
    /// # Errors
    /// Of the API server: also when it does not know the kind either.
    pub async fn apply_dynamic(&self, object: &DynamicObject) -> Result<bool, kube::Error> {
        let types = object.types.clone().unwrap_or_default();
        let (group, version) =
            types.api_version.split_once('/').unwrap_or(("", &types.api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
        let key = Key {
            kind: types.kind.clone(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        };
        let api = Api::namespaced_with(self.client.clone(), &key.namespace, &resource);
        self.apply_with(&api, key, object).await
    }

    async fn apply_with<K>(&self, api: &Api<K>, key: Key, object: &K) -> Result<bool, kube::Error>
    where
        K: Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let content = Fingerprint::of(object);
        if self.is_applied(&key, &content) {
            return Ok(false);
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(&key.name, &parameters, &Patch::Apply(object)).await?;
        self.remember(key, content);
        Ok(true)
    }

    /// An object of this name was applied here a moment ago: it is nobody else's.
    pub fn is_fresh(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let key = Key::named(kind, namespace, name);
        self.applied().get(&key).is_some_and(|before| before.at.elapsed() < REPEAT)
    }

    /// Applies an object anew the next time, whatever was applied before: it is gone.
    pub fn forget<K: Resource<DynamicType = ()>>(&self, object: &K) {
        self.applied().remove(&key(object));
    }

    /// The same, for an object of this name: something became of it.
    pub fn forget_named(&self, kind: &str, namespace: &str, name: &str) {
        self.applied().remove(&Key::named(kind, namespace, name));
    }

    /// Deletes objects of a kind with these labels whose name is not to be there.
    ///
    /// # Errors
    /// Of the API server.
    pub async fn delete_orphans<K>(
        &self,
        namespace: &str,
        labels: &str,
        wanted: &BTreeSet<String>,
    ) -> Result<(), kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let there = api.list_metadata(&ListParams::default().labels(labels)).await?;
        for object in there.items.iter().filter(|object| !wanted.contains(&object.name_any())) {
            self.delete::<K>(namespace, &object.name_any(), object.uid()).await?;
        }
        Ok(())
    }

    /// Deletes an object, and only that with this uid. One that is gone is no error.
    ///
    /// # Errors
    /// Of the API server.
    pub async fn delete<K>(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<String>,
    ) -> Result<(), kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        self.delete_from(&api, namespace, name, uid).await
    }

    /// The same for a kind that is not known here; the API is of that namespace.
    ///
    /// # Errors
    /// Of the API server.
    pub async fn delete_from<K>(
        &self,
        api: &Api<K>,
        namespace: &str,
        name: &str,
        uid: Option<String>,
    ) -> Result<(), kube::Error>
    where
        K: DeserializeOwned + Clone + std::fmt::Debug,
    {
        let preconditions = Some(Preconditions { uid, resource_version: None });
        let parameters = DeleteParams { preconditions, ..DeleteParams::background() };
        self.applied().retain(|key, _| (&*key.namespace, &*key.name) != (namespace, name));
        match api.delete(name, &parameters).await {
            Ok(_) => Ok(()),
            // Gone, or another one has its name by now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn is_applied(&self, key: &Key, content: &Fingerprint) -> bool {
        let applied = self.applied();
        let before = applied.get(key);
        before.is_some_and(|before| before.content == *content && before.at.elapsed() < REPEAT)
    }

    fn remember(&self, key: Key, content: Fingerprint) {
        let mut applied = self.applied();
        // What was not applied for so long belongs to nobody any more.
        applied.retain(|_, before| before.at.elapsed() < FORGOTTEN);
        applied.insert(key, Applied { content, at: Instant::now() });
    }

    fn applied(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Applied>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn named(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

fn key<K: Resource<DynamicType = ()>>(object: &K) -> Key {
    Key {
        kind: K::kind(&()).into_owned(),
        namespace: object.meta().namespace.clone().unwrap_or_default(),
        name: object.meta().name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_something_became_of_is_applied_at_once() {
        let nowhere = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
        let applier = Applier::new(Client::try_from(nowhere).unwrap());
        let content = Fingerprint::of(&"content");
        let key = |name| Key::named("Service", "n", name);
        applier.remember(key("a"), content.clone());
        applier.remember(key("b"), content.clone());
        assert!(applier.is_applied(&key("a"), &content) && applier.is_fresh("Service", "n", "a"));
        applier.forget_named("Service", "n", "a");
        assert!(!applier.is_applied(&key("a"), &content) && !applier.is_fresh("Service", "n", "a"));
        assert!(applier.is_applied(&key("b"), &content));
    }
}
