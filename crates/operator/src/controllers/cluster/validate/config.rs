//! Kafka's properties: what is the operator's, what is no value, what looks misspelt.

use std::collections::BTreeMap;

use klamm_crd::{Config, KafkaClusterSpec, Listener};
use serde_json::Value;

use super::{Findings, owned, spelling};

/// A pod's annotations hold 256 KiB together; the rest is for what the operator adds, and for others.
const CONFIG_BYTES_MAX: usize = 128 << 10;

/// The properties of all nodes.
pub(super) fn check_cluster(
    config: &Config,
    listeners: &[Listener],
    found: &mut Findings,
) -> BTreeMap<String, String> {
    check(None, config, listeners, found)
}

/// The properties of a pool's nodes.
pub(super) fn check_pool(
    pool: &str,
    config: &Config,
    listeners: &[Listener],
    found: &mut Findings,
) -> BTreeMap<String, String> {
    check(Some(pool), config, listeners, found)
}

fn check(
    pool: Option<&str>,
    config: &Config,
    listeners: &[Listener],
    found: &mut Findings,
) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for (key, value) in &config.0 {
        let field = format!("spec.config[{key:?}]");
        if !is_name(key) {
            found.add(
                pool,
                field,
                "is no name of a property",
                "use letters, digits, dots, hyphens and underscores",
            );
        } else if let Some(remedy) = owned::remedy(key, listeners) {
            found.add(pool, field, "is the operator's", remedy);
        } else if let Some(value) = text(value) {
            if let Some(meant) = spelling::meant(key) {
                found.warn(
                    pool,
                    format_args!("{field} is no property of Kafka: was {meant} meant?"),
                );
            }
            properties.insert(key.clone(), value);
        } else {
            let remedy = "write text, a number or a boolean, as in a properties file";
            found.add(pool, field, "has no plain value", remedy);
        }
    }
    let bytes: usize = properties.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > CONFIG_BYTES_MAX {
        let wrong = format!("has {bytes} bytes");
        found.add(pool, "spec.config", wrong, format!("a pod can carry {CONFIG_BYTES_MAX}"));
    }
    properties
}

fn is_name(key: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !key.is_empty() && key.chars().all(inside)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Kafka takes the list apart at semicolons.
pub(super) fn check_super_users(spec: &KafkaClusterSpec, found: &mut Findings) {
    let users = spec.authorization.iter().flat_map(|authorization| &authorization.super_users);
    for (index, user) in users.enumerate() {
        let named =
            user.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
        if !named || user.contains(';') {
            let field = format!("spec.authorization.superUsers[{index}]");
            found.cluster(field, format!("is {user:?}"), "write one principal, such as User:admin");
        }
    }
}
