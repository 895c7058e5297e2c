//! Pods run as soon as they have a machine, and end as soon as they are told to.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use klamm_agent::protocol::{Config, Phase};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Error, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::world::{Birth, Name, Node, Shared, now_ms};

/// Follows the pods of Kafka.
pub async fn watch(client: Client, world: Shared) {
    let labelled = watcher::Config::default().labels("klamm.dev/node-id");
    let mut events =
        std::pin::pin!(watcher(Api::<Pod>::all(client.clone()), labelled).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                // Each pod has its own turn: a kubelet waits for no other pod.
                let (client, world) = (client.clone(), world.clone());
                tokio::spawn(async move {
                    if let Err(error) = look(&client, &world, &pod).await {
                        eprintln!("pod {}: {error}", pod.name_any());
                    }
                });
            }
            Ok(Event::Delete(pod)) => world.lock().remove(&name(&pod)),
            Ok(_) => {}
            Err(error) => eprintln!("pods: {error}"),
        }
    }
}

/// Says of pods that they are ready, once they are.
pub async fn tell(client: Client, world: Shared, mut becoming: mpsc::Receiver<Name>) {
    while let Some(pod) = becoming.recv().await {
        let (client, world) = (client.clone(), world.clone());
        tokio::spawn(async move {
            let Some(address) = world.lock().pods.get(&pod).copied() else { return };
            let status = status(&address.to_string(), true);
            if let Err(error) = patch(&client, &pod, &status).await {
                eprintln!("pod {}: {error}", pod.1);
            }
        });
    }
}

fn name(pod: &Pod) -> Name {
    (pod.namespace().unwrap_or_default(), pod.name_any())
}

async fn look(client: &Client, world: &Shared, pod: &Pod) -> Result<(), Error> {
    let name = name(pod);
    let uid = pod.uid().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        world.lock().remove(&name);
        let now = DeleteParams::default().grace_period(0);
        let this = Preconditions { uid: Some(uid), resource_version: None };
        let pods: Api<Pod> = Api::namespaced(client.clone(), &name.0);
        return match pods.delete(&name.1, &now.preconditions(this)).await {
            Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            done => done.map(drop),
        };
    }
    let is_placed = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let address = {
        let mut world = world.lock();
        let now = Instant::now();
        let birth = world.births.entry(name.clone()).or_insert(Birth { seen: now, placed: None });
        if !is_placed {
            return Ok(());
        }
        birth.placed.get_or_insert(now);
        let known = world.pods.get(&name).and_then(|address| world.nodes.get(address));
        if known.is_some_and(|known| known.uid == uid) {
            return Ok(());
        }
        let Some(node) = node(pod, &name, uid) else {
            eprintln!("pod {}: its annotations are not those of a node", name.1);
            return Ok(());
        };
        let address = world.address();
        world.pods.insert(name.clone(), address);
        world.nodes.insert(address, node);
        address
    };
    patch(client, &name, &status(&address.to_string(), false)).await
}

fn node(pod: &Pod, name: &Name, uid: String) -> Option<Node> {
    let annotations = pod.annotations();
    let config: Config = serde_json::from_str(annotations.get("klamm.dev/agent")?).ok()?;
    let properties = annotations.get("klamm.dev/server.properties")?.lines();
    let properties = properties.filter_map(|line| line.split_once('='));
    let properties: BTreeMap<String, String> =
        properties.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let namespace = &name.0;
    let spec = pod.spec.as_ref()?;
    let service = spec.subdomain.as_deref().unwrap_or_default();
    // The metadata log's: mounted where its directory is.
    let mut mounts =
        spec.containers.iter().flat_map(|container| container.volume_mounts.iter().flatten());
    let mount = mounts.find(|mount| config.metadata_dir.starts_with(&mount.mount_path))?;
    let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name)?;
    let claim = volume.persistent_volume_claim.as_ref()?.claim_name.clone();
    let secret = spec.volumes.iter().flatten().find(|volume| volume.name == "tls")?;
    let secret = secret.secret.as_ref()?.secret_name.clone()?;
    Some(Node {
        uid,
        host: format!("{}.{service}.{namespace}.svc", name.1),
        cluster: (namespace.clone(), pod.labels().get("klamm.dev/cluster")?.clone()),
        claim: (namespace.clone(), claim),
        secret: (namespace.clone(), secret),
        pod: name.clone(),
        config,
        properties,
        phase: Phase::Waiting { reason: "no word of the operator yet".to_owned() },
        since_ms: now_ms(),
        started: None,
    })
}

fn status(address: &str, is_ready: bool) -> Value {
    let now = Timestamp::now().to_string();
    let ready = if is_ready { "True" } else { "False" };
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": now});
    json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": now,
        "conditions": [
            condition("PodScheduled", "True"), condition("Initialized", "True"),
            condition("ContainersReady", ready), condition("Ready", ready),
        ],
        "containerStatuses": [{
            "name": "kafka", "image": "simulated", "imageID": "simulated", "containerID": "simulated://1",
            "ready": is_ready, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }],
    }})
}

async fn patch(client: &Client, pod: &Name, status: &Value) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.0);
    match pods.patch_status(&pod.1, &PatchParams::default(), &Patch::Merge(status)).await {
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}
