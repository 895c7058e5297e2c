//! Disks for claims of the class `simulated`: made on demand, of nothing.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Error, ResourceExt as _};
use serde_json::json;

use crate::machines::{MANAGER, STORAGE_CLASS};
use crate::world::Shared;

/// Before what failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Makes a disk for each claim, and removes it with the claim.
pub async fn provide(client: Client, world: Shared) {
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let claims = watcher(claims, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(claims);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(claim) | Event::InitApply(claim)) if is_waiting(&claim) => {
                tokio::spawn(made(client.clone(), claim));
            }
            Ok(Event::Delete(claim)) => {
                let name = (claim.namespace().unwrap_or_default(), claim.name_any());
                world.lock().disks.remove(&name);
                tokio::spawn(removed(client.clone(), claim));
            }
            Ok(_) => {}
            Err(error) => eprintln!("claims: {error}"),
        }
    }
}

/// Tries until it is there: no event tells of the claim again, and a pod would wait for its disk for ever.
async fn made(client: Client, claim: PersistentVolumeClaim) {
    while let Err(error) = make(&client, &claim).await {
        eprintln!("disk: {error}");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn removed(client: Client, claim: PersistentVolumeClaim) {
    while let Err(error) = remove(&client, &claim).await {
        eprintln!("disk: {error}");
        tokio::time::sleep(AGAIN).await;
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
