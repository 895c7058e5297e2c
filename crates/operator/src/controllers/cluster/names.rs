//! How everything of a cluster is called.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use klamm_crd::Listener;

use crate::apply::{FIELD_MANAGER, LABEL_MANAGED_BY};
use crate::model::{NodeId, Roles};

/// The port of the listener `CONTROLLER`.
pub const CONTROLLER_PORT: u16 = 9090;
/// The port of the listener `INTERNAL`.
pub const INTERNAL_PORT: u16 = 9091;
/// The port of the agent.
pub const AGENT_PORT: u16 = klamm_agent::protocol::PORT;

/// Label of everything: the cluster.
pub const LABEL_CLUSTER: &str = "klamm.dev/cluster";
/// Label of what belongs to a node: its pool.
pub const LABEL_POOL: &str = "klamm.dev/pool";
/// Label of what belongs to a node: its id.
pub const LABEL_NODE_ID: &str = "klamm.dev/node-id";
/// Label of what belongs to a node: `true` or `false`.
pub const LABEL_BROKER: &str = "klamm.dev/broker";
/// Label of what belongs to a node: `true` or `false`.
pub const LABEL_CONTROLLER: &str = "klamm.dev/controller";

/// The names of a cluster's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The KafkaCluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
}

impl Names {
    /// A node's StatefulSet.
    pub fn stateful_set(&self, pool: &str, id: NodeId) -> String {
        format!("{}-{pool}-{id}", self.cluster)
    }

    /// A node's pod: the only one of its StatefulSet.
    pub fn pod(&self, pool: &str, id: NodeId) -> String {
        format!("{}-0", self.stateful_set(pool, id))
    }

    /// Where a node is reached within the Kubernetes cluster.
    pub fn host(&self, pool: &str, id: NodeId) -> String {
        format!("{}.{}.{}.svc", self.pod(pool, id), self.nodes_service(), self.namespace)
    }

    /// A node's certificate.
    pub fn tls_secret(&self, pool: &str, id: NodeId) -> String {
        format!("{}-tls", self.stateful_set(pool, id))
    }

    /// A node's PersistentVolumeClaim of a volume.
    pub fn claim(&self, volume: u32, pool: &str, id: NodeId) -> String {
        format!("data-{volume}-{}", self.pod(pool, id))
    }

    /// The headless service of all nodes, which gives each its name.
    pub fn nodes_service(&self) -> String {
        format!("{}-nodes", self.cluster)
    }

    /// The headless service of the controllers.
    pub fn controllers_service(&self) -> String {
        format!("{}-controllers", self.cluster)
    }

    /// The service that clients connect to first.
    pub fn bootstrap_service(&self) -> String {
        format!("{}-bootstrap", self.cluster)
    }

    /// Where clients connect to first.
    pub fn bootstrap_host(&self) -> String {
        format!("{}.{}.svc", self.bootstrap_service(), self.namespace)
    }

    /// The service account of pods that name no other.
    pub fn service_account(&self) -> String {
        format!("{}-kafka", self.cluster)
    }

    /// cert-manager's Certificate for a listener, and the Secret it fills.
    pub fn listener_certificate(&self, listener: &str) -> String {
        format!("{}-listener-{listener}", self.cluster)
    }

    /// The Secret with a listener's own certificate, if it has one: somebody's, or what an issuer fills.
    pub fn own_certificate(&self, listener: &Listener) -> Option<String> {
        let tls = listener.tls.as_ref()?;
        let issued = || tls.issuer.as_ref().map(|_| self.listener_certificate(&listener.name));
        tls.secret.as_ref().map(|secret| secret.name.clone()).or_else(issued)
    }

    /// The labels of everything of this cluster.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = [
            ("app.kubernetes.io/name", "kafka"),
            ("app.kubernetes.io/instance", &self.cluster),
            (LABEL_MANAGED_BY, FIELD_MANAGER),
            ("app.kubernetes.io/part-of", "klamm"),
            (LABEL_CLUSTER, &self.cluster),
        ];
        labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    /// The labels of what belongs to a node.
    pub fn node_labels(&self, pool: &str, id: NodeId, roles: Roles) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert(LABEL_POOL.to_owned(), pool.to_owned());
        labels.insert(LABEL_NODE_ID.to_owned(), id.to_string());
        labels.extend(role_labels(roles));
        labels
    }

    /// Selects the pods of this cluster that have these labels too.
    pub fn selector<'a>(
        &'a self,
        further: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> BTreeMap<String, String> {
        let cluster = (LABEL_CLUSTER, &*self.cluster);
        let all = std::iter::once(cluster).chain(further);
        all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// As [`Names::selector`], for where Kubernetes wants a LabelSelector.
    pub fn label_selector<'a>(
        &'a self,
        further: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> LabelSelector {
        LabelSelector { match_labels: Some(self.selector(further)), ..LabelSelector::default() }
    }
}

fn role_labels(roles: Roles) -> [(String, String); 2] {
    [(LABEL_BROKER, roles.broker), (LABEL_CONTROLLER, roles.controller)]
        .map(|(key, is)| (key.to_owned(), is.to_string()))
}

/// The roles that labels tell.
pub fn roles(labels: &BTreeMap<String, String>) -> Roles {
    let is = |key| labels.get(key).is_some_and(|value| value == "true");
    Roles { broker: is(LABEL_BROKER), controller: is(LABEL_CONTROLLER) }
}

/// The id that labels tell.
pub fn node_id(labels: &BTreeMap<String, String>) -> Option<NodeId> {
    labels.get(LABEL_NODE_ID)?.parse().ok().map(NodeId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_agreed() {
        let names = Names { cluster: "c".into(), namespace: "ns".into() };
        assert_eq!(names.host("p", NodeId(3)), "c-p-3-0.c-nodes.ns.svc");
        assert_eq!(names.claim(1, "p", NodeId(3)), "data-1-c-p-3-0");
        assert_eq!(names.tls_secret("p", NodeId(3)), "c-p-3-tls");
    }

    #[test]
    fn labels_tell_the_node() {
        let labels = Names::default().node_labels("p", NodeId(3), Roles::BROKER);
        assert_eq!((node_id(&labels), roles(&labels)), (Some(NodeId(3)), Roles::BROKER));
        assert_eq!(node_id(&BTreeMap::new()), None);
    }
}
