//! Whether a gateway is ready, and where: pure.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use klamm_crd::{Conditions as _, Gateway, KafkaCluster, ServiceType};

use super::{Seen, names};

/// The condition `Ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) ready: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// How many pods there are of which kind.
struct Counts {
    wanted: i32,
    ready: i32,
    updated: i32,
    all: i32,
    /// The Deployment's controller has seen what was asked for.
    seen: bool,
}

impl Counts {
    fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        Self {
            wanted: wanted.unwrap_or(1),
            ready: status.ready_replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            all: status.replicas.unwrap_or(0),
            seen: status.observed_generation >= deployment.metadata.generation,
        }
    }

    fn updated(&self) -> bool {
        self.seen && self.updated >= self.wanted && self.all == self.updated
    }
}

/// Every pod runs what it should and takes messages.
pub(super) fn settled(deployment: &Deployment) -> bool {
    let counts = Counts::of(deployment);
    counts.updated() && counts.ready >= counts.wanted
}

pub(super) fn verdict(gateway: &Gateway, seen: &Seen, cluster: Option<&KafkaCluster>) -> Verdict {
    let counts = seen.deployment.as_ref().map(Counts::of);
    let Some(counts) = counts else {
        return Verdict { ready: false, reason: "Starting", message: "pods are being made".into() };
    };
    if gateway.spec.replicas == 0 {
        let message = "no pods were asked for".to_owned();
        return Verdict { ready: false, reason: "ScaledToZero", message };
    }
    let Counts { wanted, ready, .. } = counts;
    let mut message = format!("{ready} of {wanted} pods take messages");
    let (is_ready, mut reason) = match (ready >= wanted && counts.seen, counts.updated()) {
        (true, true) => (true, "Ready"),
        (true, false) => (true, "Updating"),
        (false, _) => (false, "Starting"),
    };
    if let Some(trouble) = &seen.trouble {
        if !is_ready {
            reason = "PodFails";
        }
        message = format!("{message}; {trouble}");
    }
    if let Some(why) = cluster.filter(|_| !is_ready).and_then(not_ready) {
        message = format!("{message}; the cluster is not ready: {why}");
    }
    Verdict { ready: is_ready, reason, message }
}

fn not_ready(cluster: &KafkaCluster) -> Option<String> {
    let Some(status) = &cluster.status else { return Some("nothing is known of it yet".into()) };
    let Some(condition) = status.conditions.of("Ready") else {
        return Some("nothing is known of it yet".into());
    };
    (condition.status != "True").then(|| condition.message.clone())
}

/// `host:port` for clients, as near to them as is known.
pub(super) fn address(gateway: &Gateway, service: Option<&Service>) -> Option<String> {
    let service = service?;
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?;
    let inside =
        format!("{}.{}.svc:{}", names::name(gateway), names::namespace(gateway), port.port);
    match gateway.spec.service.kind {
        ServiceType::ClusterIP => Some(inside),
        ServiceType::NodePort => Some(format!("<any machine>:{}", port.node_port?)),
        ServiceType::LoadBalancer => {
            let balancer = service.status.as_ref()?.load_balancer.as_ref()?;
            let ingress = balancer.ingress.as_ref()?.first()?;
            let host = ingress.hostname.clone().or_else(|| ingress.ip.clone())?;
            Some(format!("{host}:{}", port.port))
        }
    }
}
