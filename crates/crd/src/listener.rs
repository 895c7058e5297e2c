//! Where clients connect.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretRef;

/// A port of every broker that clients connect to, inside the Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.authentication) || self.authentication != 'Tls' || has(self.tls)")
    .message("authentication Tls needs tls: {}"))]
pub struct Listener {
    /// Lower-case letters and digits. Kafka has it in upper case.
    #[schemars(regex(pattern = "^[a-z][a-z0-9]{0,14}$"))]
    pub name: String,
    /// From 9092 on; 9090, 9091 and 9099 are the cluster's own.
    #[schemars(range(min = 9092, max = 9999))]
    #[x_kube(validation = Rule::new("self != 9099").message("port 9099 is the agent's"))]
    pub port: u16,
    /// Encrypted, with these certificates. Without it everything can be read on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// How clients say who they are; without it they are anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<ListenerAuthentication>,
}

impl Listener {
    /// It is encrypted, with the nodes' certificates of the cluster's own authority.
    pub fn has_cluster_certificate(&self) -> bool {
        self.tls.is_some() && !self.has_own_certificate()
    }

    /// It is encrypted, with a certificate that is not of the cluster's own authority.
    pub fn has_own_certificate(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.secret.is_some() || tls.issuer.is_some())
    }
}

/// Which certificate a listener has. Without an entry, one of the cluster's own authority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.secret) && has(self.issuer))")
    .message("give the listener a secret or an issuer, not both"))]
pub struct ListenerTls {
    /// A Secret with `tls.crt` and `tls.key` (PKCS #8), for all brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretRef>,
    /// cert-manager makes the certificate: one for all brokers, renewed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerRef>,
}

/// An issuer of cert-manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// Its name.
    pub name: String,
    /// `Issuer` (of the same namespace) or `ClusterIssuer`.
    #[serde(default = "issuer")]
    pub kind: String,
    /// Its API group.
    #[serde(default = "cert_manager")]
    pub group: String,
}

fn issuer() -> String {
    "Issuer".to_owned()
}

fn cert_manager() -> String {
    "cert-manager.io".to_owned()
}

/// How clients say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerAuthentication {
    /// SASL SCRAM-SHA-512: name and password.
    ScramSha512,
    /// A client certificate of the cluster's clients' authority.
    Tls,
}
