//! Connections to the Kafka clusters that are looked after, each made when it is first needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_kafka::admin::Admin;
use tokio::sync::OwnedMutexGuard;

use crate::model::NodeId;

/// The field manager of everything the operator applies.
pub const FIELD_MANAGER: &str = "klamm-operator";

/// Connections to Kafka clusters, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    clusters: Arc<Mutex<BTreeMap<(String, String), Known>>>,
}

#[derive(Debug, Default)]
struct Known {
    admin: Option<Arc<tokio::sync::Mutex<Admin>>>,
    leaving: BTreeSet<NodeId>,
}

/// There is no connection to a cluster, and why. Retryable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

impl Connections {
    /// Through this one a cluster is administered from now on.
    pub fn put(&self, namespace: &str, cluster: &str, admin: Admin) {
        let admin = Arc::new(tokio::sync::Mutex::new(admin));
        self.known().entry(key(namespace, cluster)).or_default().admin = Some(admin);
    }

    /// Brokers that get nothing new, because they are drained.
    pub fn put_leaving(&self, namespace: &str, cluster: &str, leaving: BTreeSet<NodeId>) {
        self.known().entry(key(namespace, cluster)).or_default().leaving = leaving;
    }

    /// The client that administers a cluster, for as long as the guard is held.
    ///
    /// # Errors
    /// When there is none.
    pub async fn admin(
        &self,
        namespace: &str,
        cluster: &str,
    ) -> Result<OwnedMutexGuard<Admin>, Unavailable> {
        let admin =
            self.known().get(&key(namespace, cluster)).and_then(|known| known.admin.clone());
        match admin {
            Some(admin) => Ok(admin.lock_owned().await),
            None => Err(Unavailable(format!("no connection to Kafka {namespace}/{cluster} yet"))),
        }
    }

    /// Brokers that get nothing new.
    pub fn leaving(&self, namespace: &str, cluster: &str) -> BTreeSet<NodeId> {
        let known = self.known();
        known.get(&key(namespace, cluster)).map(|known| known.leaving.clone()).unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(String, String), Known>> {
        // Each change of it is one assignment: there is nothing half done to be afraid of.
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: &str, cluster: &str) -> (String, String) {
    (namespace.to_owned(), cluster.to_owned())
}
