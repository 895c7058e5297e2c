//! KafkaClusters of three nodes, each broker and controller, as in `examples/kubernetes/three-brokers.yaml`.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::NAMESPACE;
use super::watched::{Watched, resource};
use crate::machines::STORAGE_CLASS;
use crate::world::Shared;

/// All of them.
pub struct Clusters {
    client: Client,
    world: Shared,
    watched: Watched,
    pools: Api<DynamicObject>,
    created: HashMap<String, Instant>,
}

/// Since a cluster was created.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Its last pod is there.
    pub pods: Duration,
    /// Its last pod has a machine.
    pub placed: Duration,
    pub ready: Duration,
}

impl Clusters {
    pub fn new(client: &Client, world: Shared) -> Self {
        let pools = resource("KafkaNodePool");
        Self {
            watched: Watched::new(client, "KafkaCluster"),
            pools: Api::namespaced_with(client.clone(), NAMESPACE, &pools),
            client: client.clone(),
            world,
            created: HashMap::new(),
        }
    }

    /// Creates one and does not wait.
    ///
    /// # Errors
    /// Of the API server.
    pub async fn create(&mut self, name: &str) -> Result<(), String> {
        let said = |error: kube::Error| format!("{name}: {error}");
        let object =
            |value: Value| serde_json::from_value(value).map_err(|error| error.to_string());
        let (cluster, pool) = (object(cluster(name))?, object(pool(name))?);
        self.created.insert(name.to_owned(), Instant::now());
        let params = PostParams::default();
        self.watched.api.create(&params, &cluster).await.map_err(said)?;
        self.pools.create(&params, &pool).await.map(drop).map_err(said)
    }

    /// Waits until it is Ready.
    ///
    /// # Errors
    /// When it does not become.
    pub async fn ready(&self, name: &str) -> Result<Times, String> {
        let ready = self.watched.ready(name, 1).await?;
        let created = self.created.get(name).copied().ok_or("it was not created")?;
        let world = self.world.lock();
        let own = format!("{name}-{name}-all-");
        let births = world.births.iter();
        let births = births.filter(|((_, pod), _)| pod.starts_with(&own)).map(|(_, birth)| birth);
        let (mut pods, mut placed) = (created, created);
        for birth in births {
            pods = pods.max(birth.seen);
            placed = placed.max(birth.placed.unwrap_or(birth.seen));
        }
        let since = |moment: Instant| moment - created;
        Ok(Times { pods: since(pods), placed: since(placed), ready: since(ready) })
    }

    /// Deletes all of them, disks and authorities too.
    ///
    /// # Errors
    /// Of the API server, or when they stay.
    pub async fn delete_all(&mut self) -> Result<(), String> {
        let said = |error: kube::Error| error.to_string();
        let (now, all) = (DeleteParams::background(), ListParams::default());
        self.watched.api.delete_collection(&now, &all).await.map_err(said)?;
        self.pools.delete_collection(&now, &all).await.map_err(said)?;
        self.watched.none().await?;
        while !self.world.lock().nodes.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), NAMESPACE);
        claims.delete_collection(&now, &all).await.map_err(said)?;
        // They outlive a cluster by design.
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let own = ListParams::default().labels("klamm.dev/cluster");
        secrets.delete_collection(&now, &own).await.map(drop).map_err(said)
    }
}

fn cluster(name: &str) -> Value {
    json!({
        "apiVersion": "klamm.dev/v1alpha1", "kind": "KafkaCluster", "metadata": {"name": name},
        "spec": {
            "version": "4.3.0",
            "config": {"default.replication.factor": 3, "min.insync.replicas": 2},
            "listeners": [
                {"name": "plain", "port": 9092},
                {"name": "scram", "port": 9093, "tls": {}, "authentication": "ScramSha512"},
            ],
        },
    })
}

fn pool(cluster: &str) -> Value {
    json!({
        "apiVersion": "klamm.dev/v1alpha1", "kind": "KafkaNodePool",
        // The pods' names have it.
        "metadata": {"name": format!("{cluster}-all")},
        "spec": {
            "cluster": cluster, "replicas": 3, "roles": ["Broker", "Controller"],
            "volumes": [{"id": 0, "size": "20Gi", "storageClass": STORAGE_CLASS}],
            "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        },
    })
}
