//! Which of the cluster's listeners a gateway connects to.

use klamm_crd::{
    Authentication, Gateway, KafkaCluster, KafkaUser, Listener, ListenerAuthentication,
};
use kube::ResourceExt as _;

use super::{Problem, told};
use crate::controllers::cluster::{Names, certificates};

/// The listener that is named, or the first one that this user, or nobody, can use.
pub(in super::super) fn choose(
    gateway: &Gateway,
    cluster: &KafkaCluster,
    user: Option<&KafkaUser>,
) -> Result<Listener, Problem> {
    let listeners = listeners(cluster);
    let told_names = || {
        let names: Vec<&str> = listeners.iter().map(|listener| listener.name.as_str()).collect();
        names.join(", ")
    };
    if let Some(name) = &gateway.spec.listener {
        return listeners.iter().find(|listener| listener.name == *name).cloned().ok_or_else(
            || {
                let (cluster, names) = (told(cluster), told_names());
                Problem::new(
                    "ListenerNotFound",
                    format!("KafkaCluster {cluster} has no listener {name}; it has {names}"),
                )
            },
        );
    }
    let wanted = user.map(|user| asked_of(user.spec.authentication));
    if gateway.spec.user.is_some() && wanted.is_none() {
        // Told about by whoever looks for the user.
        return listeners.first().cloned().ok_or_else(|| Problem::new("ListenerNotFound", ""));
    }
    listeners.iter().find(|listener| listener.authentication == wanted).cloned().ok_or_else(|| {
        let (cluster, names) = (told(cluster), told_names());
        let what = match (wanted, user) {
            (None, _) | (_, None) => "without authentication; name a KafkaUser in spec.user".into(),
            (Some(kind), Some(user)) => {
                format!("with authentication {kind:?}, which KafkaUser {} needs", user.name_any())
            }
        };
        let message = format!("KafkaCluster {cluster} has no listener {what}; it has {names}");
        Problem::new("ListenerNotFound", message)
    })
}

/// As the cluster has them: without any, one in plain text.
fn listeners(cluster: &KafkaCluster) -> Vec<Listener> {
    if cluster.spec.listeners.is_empty() {
        let name = "plain".to_owned();
        return vec![Listener { name, port: 9092, tls: None, authentication: None }];
    }
    cluster.spec.listeners.clone()
}

/// What a listener has to ask for, for this user to get in.
pub(super) fn asked_of(authentication: Authentication) -> ListenerAuthentication {
    match authentication {
        Authentication::ScramSha512 => ListenerAuthentication::ScramSha512,
        Authentication::Tls | Authentication::TlsExternal => ListenerAuthentication::Tls,
    }
}

/// The Secret of the cluster's namespace with the authority of the listener's certificate, if the listener is encrypted.
pub(in super::super) fn trust_secret(
    cluster: &KafkaCluster,
    listener: &Listener,
) -> Option<String> {
    listener.tls.as_ref()?;
    let names =
        Names { cluster: cluster.name_any(), namespace: cluster.namespace().unwrap_or_default() };
    Some(names.own_certificate(listener).unwrap_or_else(|| certificates::trust(&names)))
}
