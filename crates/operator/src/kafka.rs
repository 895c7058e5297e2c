//! Connections to the Kafka clusters that are looked after, kept and lent.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use klamm_kafka::admin::{Admin, Endpoint};
use klamm_kafka::client::ClientOptions;
use klamm_kafka::security::Security;

use crate::model::NodeId;

/// A call that takes longer is given up and tried in the next pass.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// A connection to a pod that is gone shows by silence.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// Kept for each cluster and endpoint; each has a socket for every node it spoke to.
const IDLE_MAX: usize = 2;

/// Where a cluster is, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Brokers, `host:port`, set apart by commas.
    pub brokers: String,
    /// Controllers, in the same way.
    pub controllers: String,
    /// The operator's certificate, and whom it trusts.
    pub security: Security,
    /// Names the above: another one makes new connections.
    pub version: String,
}

/// Connections to Kafka clusters, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    clusters: Arc<Mutex<HashMap<Name, Known>>>,
}

type Name = (String, String);

#[derive(Debug)]
struct Known {
    target: Target,
    brokers: Vec<Admin>,
    controllers: Vec<Admin>,
    leaving: BTreeSet<NodeId>,
}

/// No connection can be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("KafkaCluster {namespace}/{name} is not known here, or has not been made yet")]
pub struct Unavailable {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Connections {
    /// From now on the cluster is there.
    pub fn set(&self, namespace: &str, name: &str, target: Target) {
        let mut clusters = self.clusters();
        let key = (namespace.to_owned(), name.to_owned());
        let same = clusters.get(&key).is_some_and(|known| known.target.version == target.version);
        if !same {
            let leaving = clusters.remove(&key).map(|known| known.leaving).unwrap_or_default();
            let (brokers, controllers) = (Vec::new(), Vec::new());
            clusters.insert(key, Known { target, brokers, controllers, leaving });
        }
    }

    /// These brokers of a known cluster get nothing new, because they are drained.
    pub fn set_leaving(&self, namespace: &str, name: &str, leaving: BTreeSet<NodeId>) {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(known) = self.clusters().get_mut(&key) {
            known.leaving = leaving;
        }
    }

    /// Brokers that get nothing new.
    pub fn leaving(&self, namespace: &str, name: &str) -> BTreeSet<NodeId> {
        let key = (namespace.to_owned(), name.to_owned());
        self.clusters().get(&key).map(|known| known.leaving.clone()).unwrap_or_default()
    }

    /// The cluster is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.clusters().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// A client of the cluster's brokers, to be given back by dropping it. It connects when it is first asked something.
    ///
    /// # Errors
    /// When the cluster is not known.
    pub fn admin(&self, namespace: &str, name: &str) -> Result<Lent, Unavailable> {
        self.lend(namespace, name, Endpoint::Brokers)
    }

    /// The same for its controllers, which answer while no broker does.
    ///
    /// # Errors
    /// When the cluster is not known.
    pub fn controllers(&self, namespace: &str, name: &str) -> Result<Lent, Unavailable> {
        self.lend(namespace, name, Endpoint::Controllers)
    }

    fn lend(&self, namespace: &str, name: &str, endpoint: Endpoint) -> Result<Lent, Unavailable> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut clusters = self.clusters();
        let known = clusters.get_mut(&key).ok_or_else(|| Unavailable {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })?;
        let admin = known.idle(endpoint).pop().unwrap_or_else(|| known.target.connect(endpoint));
        let version = known.target.version.clone();
        let home = self.clone();
        Ok(Lent { admin: Some(admin), endpoint, key, version, home })
    }

    fn clusters(&self) -> MutexGuard<'_, HashMap<Name, Known>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn idle(&mut self, endpoint: Endpoint) -> &mut Vec<Admin> {
        match endpoint {
            Endpoint::Brokers => &mut self.brokers,
            Endpoint::Controllers => &mut self.controllers,
        }
    }
}

impl Target {
    fn connect(&self, endpoint: Endpoint) -> Admin {
        let options = ClientOptions {
            connect_time: CONNECT_TIME_MAX,
            call_time: CALL_TIME_MAX,
            ..ClientOptions::new("klamm-operator").with_security(self.security.clone())
        };
        let servers = match endpoint {
            Endpoint::Brokers => &self.brokers,
            Endpoint::Controllers => &self.controllers,
        };
        Admin::new(servers, endpoint, options).with_deadline(CALL_TIME_MAX)
    }
}

/// A client that is lent.
#[derive(Debug)]
pub struct Lent {
    admin: Option<Admin>,
    endpoint: Endpoint,
    key: Name,
    version: String,
    home: Connections,
}

impl Deref for Lent {
    type Target = Admin;

    fn deref(&self) -> &Admin {
        self.admin.as_ref().expect("there until it is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Admin {
        self.admin.as_mut().expect("there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut clusters = self.home.clusters();
        let Some(known) = clusters.get_mut(&self.key) else { return };
        let idle_already = known.idle(self.endpoint).len();
        if known.target.version == self.version && idle_already < IDLE_MAX {
            known.idle(self.endpoint).extend(self.admin.take());
        }
    }
}
