//! Where clients connect.

use std::collections::BTreeSet;

use klamm_crd::{Listener, ListenerAuthentication};

use super::super::Dereferenced;
use super::super::names::{AGENT_PORT, CONTROLLER_PORT, INTERNAL_PORT};
use super::Findings;

/// Kafka's own listeners are called so, and the ports of pods and services too.
const NAMES_TAKEN: [&str; 3] = ["agent", "controller", "internal"];
const NAME_LENGTH_MAX: usize = 15; // A port's name in Kubernetes (RFC 6335 section 5.1).
/// What a Secret of type `kubernetes.io/tls` has.
pub(in super::super) const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// The listeners that brokers have.
pub(super) fn check(input: &Dereferenced, found: &mut Findings) -> Vec<Listener> {
    let listeners = &input.cluster.spec.listeners;
    if listeners.is_empty() {
        return vec![plain()];
    }
    let (mut names, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for (index, listener) in listeners.iter().enumerate() {
        let field = format!("spec.listeners[{index}]");
        check_name(&listener.name, &field, found);
        if !names.insert(&listener.name) {
            let wrong = format!("is {}, as is another one's", listener.name);
            found.cluster(format!("{field}.name"), wrong, "give each listener its own name");
        }
        check_port(listener.port, &field, found);
        if !ports.insert(listener.port) {
            let wrong = format!("is {}, as is another one's", listener.port);
            found.cluster(format!("{field}.port"), wrong, "give each listener its own port");
        }
        if listener.authentication == Some(ListenerAuthentication::Tls) && listener.tls.is_none() {
            let field = format!("{field}.authentication");
            found.cluster(field, "is Tls without tls", "add tls: {} to the listener");
        }
        check_tls(input, listener, &field, found);
    }
    listeners.clone()
}

fn plain() -> Listener {
    Listener { name: "plain".to_owned(), port: 9092, tls: None, authentication: None }
}

fn check_name(name: &str, field: &str, found: &mut Findings) {
    let field = format!("{field}.name");
    let letters = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !letters || name.len() > NAME_LENGTH_MAX {
        let remedy = "use 1 to 15 lower-case letters and digits, a letter first";
        found.cluster(field, format!("is {name:?}"), remedy);
    } else if NAMES_TAKEN.contains(&name) {
        found.cluster(
            field,
            format!("is {name}, which the cluster itself has"),
            "choose another name",
        );
    }
}

fn check_port(port: u16, field: &str, found: &mut Findings) {
    let field = format!("{field}.port");
    if [CONTROLLER_PORT, INTERNAL_PORT, AGENT_PORT].contains(&port) {
        found.cluster(
            field,
            format!("is {port}, which the cluster itself uses"),
            "choose another port",
        );
    } else if !(9092..=9999).contains(&port) {
        found.cluster(field, format!("is {port}"), "choose a port from 9092 to 9999");
    }
}

fn check_tls(input: &Dereferenced, listener: &Listener, field: &str, found: &mut Findings) {
    let Some(tls) = &listener.tls else { return };
    if tls.secret.is_some() && tls.issuer.is_some() {
        found.cluster(
            format!("{field}.tls"),
            "has both secret and issuer",
            "leave one of them out",
        );
    }
    if let Some(issuer) = &tls.issuer
        && issuer.name.is_empty()
    {
        found.cluster(format!("{field}.tls.issuer.name"), "is empty", "name cert-manager's issuer");
    }
    let Some(secret) = &tls.secret else { return };
    let field = format!("{field}.tls.secret.name");
    let Some(keys) = input.secrets.get(&secret.name) else {
        let wrong = format!("is {:?}, and there is no such Secret", secret.name);
        let remedy = format!("make it in namespace {}, with tls.crt and tls.key", input.namespace);
        return found.cluster(field, wrong, remedy);
    };
    let missing: Vec<&str> = TLS_KEYS.into_iter().filter(|key| !keys.contains(*key)).collect();
    if !missing.is_empty() {
        let wrong = format!("is {:?}, which has no {}", secret.name, missing.join(" and no "));
        found.cluster(
            field,
            wrong,
            "give it tls.crt and tls.key (PKCS #8), as type kubernetes.io/tls has",
        );
    }
}
