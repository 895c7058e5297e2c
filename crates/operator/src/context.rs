//! What every controller is given.

use crate::apply::Applier;
use crate::kafka::Connections;
use crate::metrics::Metrics;

/// What every controller is given.
#[derive(Clone)]
pub struct Context {
    /// Kubernetes.
    pub client: kube::Client,
    /// Writes to Kubernetes.
    pub applier: Applier,
    /// The Kafka clusters.
    pub kafka: Connections,
    /// How the operator was started.
    pub settings: Settings,
    /// On OpenShift user and group ids are given to pods by the platform and must not be set.
    pub openshift: bool,
    /// What is counted.
    pub metrics: Metrics,
}

/// How the operator was started.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The image that has the agent in it: the operator's own.
    pub agent_image: String,
    /// The image of gateways that name none.
    pub klamm_image: String,
    /// Namespaces that are looked at; all if there are none.
    pub namespaces: Vec<String>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("settings", &self.settings).finish_non_exhaustive()
    }
}
