//! Resources in Kubernetes.

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::objects::{Edit, Edited, Note, Objects};
use super::registry::{Claimant, Key};
use super::work::{Office, trim};
use crate::apply::{FIELD_MANAGER, is_not_found, words};

/// An event's text has at most 1,024 bytes.
const NOTE_CHARS_MAX: usize = 250;

/// Resources of one kind, and the board that learns what became of them.
#[derive(Clone)]
pub(crate) struct Kubernetes<R> {
    client: Client,
    recorder: Recorder,
    office: Arc<Office<R>>,
}

impl<R> Kubernetes<R>
where
    R: Claimant
        + Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
{
    pub(crate) fn new(client: Client, office: Arc<Office<R>>) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: None };
        Self { recorder: Recorder::new(client.clone(), reporter), client, office }
    }

    fn learned(&self, patched: Result<R, kube::Error>) -> Result<Edited<R>, String> {
        match patched {
            Ok(mut resource) => {
                trim(&mut resource);
                self.office.learn(&resource);
                Ok(Edited::Now(Box::new(resource)))
            }
            Err(error) if is_not_found(&error) => Ok(Edited::Gone),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Edited::Stale),
            Err(error) => Err(words(&error)),
        }
    }

    fn api(&self, key: &Key) -> Api<R> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }
}

impl<R, S> Objects<R, S> for Kubernetes<R>
where
    R: Claimant
        + Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
    S: Serialize + Sync,
{
    async fn edit(&self, resource: &R, edit: &Edit) -> Result<Edited<R>, String> {
        let key = Key::of(resource);
        let patch = Patch::Merge(edit.patch(resource.meta()));
        let params =
            PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        self.learned(self.api(&key).patch(&key.name, &params, &patch).await)
    }

    async fn tell(&self, resource: &R, status: &S) -> Result<Edited<R>, String> {
        let key = Key::of(resource);
        let patch = Patch::Apply(serde_json::json!({
            "apiVersion": R::api_version(&()),
            "kind": R::kind(&()),
            // A resource of the same name that came after it is another one.
            "metadata": { "name": key.name, "uid": resource.meta().uid },
            "status": status,
        }));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.learned(self.api(&key).patch_status(&key.name, &params, &patch).await)
    }

    async fn note(&self, resource: &R, note: &Note) {
        let event = Event {
            type_: if note.is_warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_owned(),
            note: Some(note.text.chars().take(NOTE_CHARS_MAX).collect()),
            action: note.reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &resource.object_ref(&())).await {
            tracing::warn!(error = words(&error), note = note.text, "an event is lost");
        }
    }
}
