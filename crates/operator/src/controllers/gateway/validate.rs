//! Whether a gateway can be what it says, and what follows from it: pure.

mod listener;
mod login;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use klamm_crd::{Claim, Gateway, KafkaCluster};
use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};

use super::config::Config;
use super::dereference::Found;
use super::names;
pub(super) use listener::{choose, trust_secret};
pub(super) use login::Login;

/// Why nothing is done: a condition's reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// What a gateway is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Validated {
    /// Where the brokers are.
    pub(super) bootstrap: String,
    pub(super) port: u16,
    pub(super) cluster: String,
    pub(super) cluster_namespace: String,
    /// The authority of the brokers' certificates (PEM), if the listener is encrypted.
    pub(super) trust: Option<String>,
    pub(super) login: Login,
    pub(super) config: Config,
}

/// Looks at everything, and tells the first thing that is wrong with what to do about it.
pub(super) fn validate(gateway: &Gateway, found: &Found) -> Result<Validated, Problem> {
    let spec = &gateway.spec;
    let own = names::namespace(gateway);
    let home = spec.cluster.namespace.clone().unwrap_or_else(|| own.clone());
    let name = &spec.cluster.name;
    let Some(cluster) = &found.cluster else {
        return Err(Problem::new(
            "ClusterNotFound",
            format!("there is no KafkaCluster {home}/{name}; create it, or correct spec.cluster"),
        ));
    };
    if home != own && !allowed(cluster, &own, found) {
        return Err(Problem::new(
            "ClusterNotAllowed",
            format!(
                "KafkaCluster {home}/{name} has no claim for namespace {own}; \
                 add one to its spec.claims (it may leave topics and users empty)"
            ),
        ));
    }
    let config = Config::parse(spec.config.as_deref().unwrap_or_default())
        .map_err(|why| Problem::new("InvalidConfig", format!("spec.config: {why}")))?;
    let listener = choose(gateway, cluster, found.user.as_ref())?;
    let login = login::login(gateway, cluster, &listener, found)?;
    let trust = trust_secret(cluster, &listener)
        .map(|secret| trust(&home, &secret, found.trust.as_ref()))
        .transpose()?;
    Ok(Validated {
        bootstrap: format!("{name}-bootstrap.{home}.svc:{}", listener.port),
        port: listener.port,
        cluster: name.clone(),
        cluster_namespace: home,
        trust,
        login,
        config,
    })
}

/// Any claim for a namespace lets its gateways connect; what they may do there is for the cluster's ACLs to say.
fn allowed(cluster: &KafkaCluster, own: &str, found: &Found) -> bool {
    let by_label = |selector: &LabelSelector| {
        Selector::try_from(selector.clone()).is_ok_and(|s| s.matches(&found.namespace_labels))
    };
    let covers = |claim: &Claim| {
        claim.namespaces.iter().flatten().any(|name| name == own)
            || claim.namespace_selector.as_ref().is_some_and(by_label)
    };
    cluster.spec.claims.iter().any(covers)
}

fn trust(namespace: &str, name: &str, secret: Option<&Secret>) -> Result<String, Problem> {
    let missing =
        |what: &str| Problem::new("TrustMissing", format!("Secret {namespace}/{name} {what}"));
    let secret = secret.ok_or_else(|| missing("is not there yet"))?;
    let pem = secret.data.as_ref().and_then(|data| data.get("ca.crt"));
    let pem = pem.ok_or_else(|| {
        missing("has no entry ca.crt: add the authority that signed the listener's certificate")
    })?;
    let text =
        String::from_utf8(pem.0.clone()).map_err(|_| missing("has a ca.crt that is no text"))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(missing("has a ca.crt that is no certificate in PEM"));
    }
    Ok(text)
}

/// The cluster's namespace and name, for messages.
fn told(cluster: &KafkaCluster) -> String {
    format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any())
}
