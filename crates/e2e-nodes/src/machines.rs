//! Machines with room for everything, one in each of three zones, whose kubelets seem to be well.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Error};
use serde_json::{Value, json};

/// Field manager of what is written here.
pub const MANAGER: &str = "klamm-e2e-nodes";
/// Each takes as many pods as three clusters of the scheduler's own limit would.
const MACHINES: [&str; 3] = ["simulated-0", "simulated-1", "simulated-2"];
/// A machine is taken for dead after sixteen seconds (`e2e/kube`).
const HEARTBEAT: Duration = Duration::from_secs(4);
/// Of disks that [`crate::disks`] makes.
pub const STORAGE_CLASS: &str = "simulated";
pub const PROVISIONER: &str = "klamm.test/simulated";

/// Makes the machines and the class of their disks.
///
/// # Errors
/// Of the API server.
pub async fn make(client: &Client) -> Result<(), Error> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS}, "provisioner": PROVISIONER, "reclaimPolicy": "Delete",
    });
    let classes: Api<StorageClass> = Api::all(client.clone());
    classes.patch(STORAGE_CLASS, &params(), &Patch::Apply(class)).await?;
    let nodes: Api<Node> = Api::all(client.clone());
    for (zone, name) in MACHINES.iter().enumerate() {
        beat(client, name).await?;
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": format!("zone-{zone}"),
            }},
        });
        nodes.patch(name, &params(), &Patch::Apply(node)).await?;
        nodes.patch_status(name, &params(), &Patch::Merge(status())).await?;
    }
    Ok(())
}

fn params() -> PatchParams {
    PatchParams::apply(MANAGER)
}

fn status() -> Value {
    let room = json!({"cpu": "10000", "memory": "100Ti", "pods": "10000"});
    let now = Timestamp::now().to_string();
    json!({"status": {
        "capacity": room, "allocatable": room,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Simulated", "message": "it is played",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }],
    }})
}

/// Keeps the machines alive.
pub async fn keep(client: Client) {
    let mut tick = tokio::time::interval(HEARTBEAT);
    loop {
        tick.tick().await;
        for name in MACHINES {
            if let Err(error) = beat(&client, name).await {
                eprintln!("heartbeat of {name}: {error}");
            }
        }
    }
}

async fn beat(client: &Client, name: &str) -> Result<(), Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": format!("{:.6}", Timestamp::now())},
    });
    leases.patch(name, &params().force(), &Patch::Apply(lease)).await.map(drop)
}
