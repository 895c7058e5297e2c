//! How a gateway says who it is.

use k8s_openapi::api::core::v1::Secret;
use klamm_crd::{Authentication, Gateway, KafkaCluster, KafkaUser, Listener};
use kube::ResourceExt as _;

use super::listener::asked_of;
use super::{Problem, told};
use crate::controllers::gateway::dereference::Found;

/// How a gateway says who it is, and the Secret that has it. `version` is another one when the Secret was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Login {
    /// Not at all.
    Nobody,
    /// SASL SCRAM-SHA-512.
    Scram { user: String, secret: String, version: String },
    /// A client certificate.
    Certificate { secret: String, version: String },
}

/// Entries of a KafkaUser's Secret.
impl Login {
    pub(in super::super) const PASSWORD: &str = "password";
    pub(in super::super) const CERTIFICATE: &str = "user.crt";
    pub(in super::super) const KEY: &str = "user.key";
}

pub(super) fn login(
    gateway: &Gateway,
    cluster: &KafkaCluster,
    listener: &Listener,
    found: &Found,
) -> Result<Login, Problem> {
    let Some(name) = &gateway.spec.user else { return nobody(cluster, listener) };
    let user = found.user.as_ref().ok_or_else(|| {
        let message = format!("there is no KafkaUser {name} in this namespace");
        Problem::new("UserNotFound", message)
    })?;
    fits(user, cluster, listener)?;
    let secret = user.status.as_ref().and_then(|status| status.secret.clone());
    let not_ready = |what: &str| {
        Problem::new("UserNotReady", format!("KafkaUser {name} {what}; look at its conditions"))
    };
    let secret_name = secret.ok_or_else(|| not_ready("has no Secret yet"))?;
    let secret =
        found.login.as_ref().ok_or_else(|| not_ready("names a Secret that is not there"))?;
    let version = secret.resource_version().unwrap_or_default();
    let wanted: &[&str] = match user.spec.authentication {
        Authentication::ScramSha512 => &[Login::PASSWORD],
        Authentication::Tls | Authentication::TlsExternal => &[Login::CERTIFICATE, Login::KEY],
    };
    if let Some(missing) = wanted.iter().find(|entry| !has(secret, entry)) {
        let message = match user.spec.authentication {
            Authentication::TlsExternal => format!(
                "KafkaUser {name} has its certificate from elsewhere: put {} and {} into Secret \
                 {secret_name}; {missing} is not there",
                Login::CERTIFICATE,
                Login::KEY
            ),
            Authentication::ScramSha512 | Authentication::Tls => {
                return Err(not_ready(&format!("has a Secret ({secret_name}) without {missing}")));
            }
        };
        return Err(Problem::new("UserNotReady", message));
    }
    Ok(match user.spec.authentication {
        Authentication::ScramSha512 => {
            let user = user.spec.user_name.clone().unwrap_or_else(|| user.name_any());
            Login::Scram { user, secret: secret_name, version }
        }
        Authentication::Tls | Authentication::TlsExternal => {
            Login::Certificate { secret: secret_name, version }
        }
    })
}

fn nobody(cluster: &KafkaCluster, listener: &Listener) -> Result<Login, Problem> {
    match listener.authentication {
        None => Ok(Login::Nobody),
        Some(kind) => Err(Problem::new(
            "UserMissing",
            format!(
                "listener {} of KafkaCluster {} wants {kind:?}; name a KafkaUser in spec.user",
                listener.name,
                told(cluster)
            ),
        )),
    }
}

/// Whether this user belongs to this cluster and this listener.
fn fits(user: &KafkaUser, cluster: &KafkaCluster, listener: &Listener) -> Result<(), Problem> {
    let named = &user.spec.cluster;
    let home = named.namespace.clone().or_else(|| user.namespace());
    if named.name != cluster.name_any() || home != cluster.namespace() {
        let (user, cluster) = (user.name_any(), told(cluster));
        let message = format!("KafkaUser {user} is not of KafkaCluster {cluster}");
        return Err(Problem::new("UserMismatch", message));
    }
    let wanted = asked_of(user.spec.authentication);
    if listener.authentication != Some(wanted) {
        let has = listener.authentication.map_or("none".to_owned(), |kind| format!("{kind:?}"));
        let (user, listener) = (user.name_any(), &listener.name);
        let message = format!(
            "KafkaUser {user} has authentication {wanted:?} and listener {listener} has {has}; \
             name another listener or user"
        );
        return Err(Problem::new("UserMismatch", message));
    }
    Ok(())
}

fn has(secret: &Secret, entry: &str) -> bool {
    secret.data.as_ref().is_some_and(|data| data.contains_key(entry))
}
