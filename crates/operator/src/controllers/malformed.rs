//! Resources that cannot be read: they are told which field it is, and never keep a namespace from going.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::Condition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::objects::{Edit, has_finalizer};
use super::registry::Key;
use super::status::Told;
use crate::apply::FIELD_MANAGER;

/// Says so in the condition; what cannot be said now is said when the watch begins anew.
pub(crate) async fn say<R>(client: &Client, key: &Key, error: &str)
where
    R: Resource<DynamicType = ()> + DeserializeOwned,
{
    if let Err(failed) = try_to_say::<R>(client, key, error).await {
        tracing::warn!(%key, error, %failed, "cannot be read, and cannot be told");
    }
}

async fn try_to_say<R>(client: &Client, key: &Key, error: &str) -> Result<(), kube::Error>
where
    R: Resource<DynamicType = ()> + DeserializeOwned,
{
    let kind = ApiResource::erase::<R>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &kind);
    let Some(object) = api.get_opt(&key.name).await? else { return Ok(()) };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    if object.metadata.deletion_timestamp.is_some() && has_finalizer(&object.metadata) {
        let edit = Edit { finalizer: Some(false), ..Edit::default() };
        let patch = Patch::Merge(edit.patch(&object.metadata));
        api.patch(&key.name, &PatchParams::default(), &patch).await?;
        return Ok(());
    }
    let raw = serde_json::to_value(&object).unwrap_or_default();
    let message = match serde_path_to_error::deserialize::<_, R>(&raw) {
        Ok(_) => return Ok(()), // mended meanwhile
        Err(found) if found.path().to_string() == "." => error.to_owned(),
        Err(found) => format!("{}: {}", found.path(), found.inner()),
    };
    let conditions = raw["status"]["conditions"].clone();
    let mut conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap_or_default();
    let before = conditions.clone();
    let generation = object.metadata.generation;
    let told = Told::no("Malformed", message);
    told.write(&mut conditions, generation, &Time(Timestamp::now()));
    if conditions == before {
        return Ok(());
    }
    let patch = serde_json::json!({
        "apiVersion": R::api_version(&()),
        "kind": R::kind(&()),
        "metadata": { "name": key.name },
        "status": { "conditions": conditions, "observedGeneration": generation },
    });
    api.patch_status(&key.name, &params, &Patch::Apply(patch)).await?;
    Ok(())
}
