//! Disks for claims of the class `simulated`: made on demand, of nothing.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Error, ResourceExt as _};
use serde_json::json;

use crate::machines::{MANAGER, STORAGE_CLASS};
use crate::world::Shared;

/// Makes a disk for each claim, and removes it with the claim.
pub async fn provide(client: Client, world: Shared) {
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let mut events = std::pin::pin!(watcher(claims, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let done = match event {
            Ok(Event::Apply(claim) | Event::InitApply(claim)) if is_waiting(&claim) => {
                make(&client, &claim).await
            }
            Ok(Event::Delete(claim)) => {
                let name = (claim.namespace().unwrap_or_default(), claim.name_any());
                world.lock().disks.remove(&name);
                remove(&client, &claim).await
            }
            Ok(_) => Ok(()),
            Err(error) => {
                eprintln!("claims: {error}");
                Ok(())
            }
        };
        if let Err(error) = done {
            eprintln!("disk: {error}");
        }
    }
}

fn is_waiting(claim: &PersistentVolumeClaim) -> bool {
    let spec = claim.spec.as_ref();
    let class = spec.and_then(|spec| spec.storage_class_name.as_deref());
    let is_bound = spec.is_some_and(|spec| spec.volume_name.is_some());
    class == Some(STORAGE_CLASS) && !is_bound && claim.metadata.deletion_timestamp.is_none()
}

fn volume(claim: &PersistentVolumeClaim) -> String {
    format!("simulated-{}", claim.uid().unwrap_or_default())
}

async fn make(client: &Client, claim: &PersistentVolumeClaim) -> Result<(), Error> {
    let Some(spec) = &claim.spec else { return Ok(()) };
    let size = spec.resources.as_ref().and_then(|resources| resources.requests.clone());
    let name = volume(claim);
    let disk = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": size, "accessModes": spec.access_modes, "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/nowhere"},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": claim.uid(),
                "namespace": claim.namespace(), "name": claim.name_any(),
            },
        },
    });
    let disks: Api<PersistentVolume> = Api::all(client.clone());
    disks.patch(&name, &PatchParams::apply(MANAGER), &Patch::Apply(disk)).await.map(drop)
}

async fn remove(client: &Client, claim: &PersistentVolumeClaim) -> Result<(), Error> {
    let disks: Api<PersistentVolume> = Api::all(client.clone());
    match disks.delete(&volume(claim), &DeleteParams::default()).await {
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}
