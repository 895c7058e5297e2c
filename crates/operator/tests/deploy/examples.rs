//! Every example is read by the types, and nothing in it is left unread.

use std::collections::BTreeMap;
use std::path::PathBuf;

use klamm_crd::{Gateway, KafkaCluster, KafkaNodePool, KafkaTopic, KafkaUser};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{documents, read, root};

fn examples() -> Vec<PathBuf> {
    let folder = root().join("examples/kubernetes");
    let entries = std::fs::read_dir(folder).expect("examples");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

/// What was read, written again.
fn round<K: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, String> {
    let read: K = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}

fn checked(object: &Value) -> Result<(), String> {
    let again = match object["kind"].as_str().unwrap_or_default() {
        "KafkaCluster" => round::<KafkaCluster>(object),
        "KafkaNodePool" => round::<KafkaNodePool>(object),
        "KafkaTopic" => round::<KafkaTopic>(object),
        "KafkaUser" => round::<KafkaUser>(object),
        "Gateway" => round::<Gateway>(object),
        "Namespace" => return Ok(()),
        other => Err(format!("no kind '{other}'")),
    }?;
    match lost(object, &again, "") {
        Some(path) => Err(format!("{path} is unknown")),
        None => Ok(()),
    }
}

/// What is in the first and not in the second: a field that the types do not know.
fn lost(given: &Value, read: &Value, path: &str) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match read.get(name) {
                Some(read) => lost(value, read, &path),
                None if is_empty(value) => None,
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(read)) if given.len() == read.len() => {
            let pairs = given.iter().zip(read).enumerate();
            pairs
                .into_iter()
                .find_map(|(at, (given, read))| lost(given, read, &format!("{path}[{at}]")))
        }
        (given, read) => (given != read && !is_number(given, read)).then(|| path.to_owned()),
    }
}

/// `{}` and `[]` may be left out when written.
fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

fn is_number(given: &Value, read: &Value) -> bool {
    given.as_f64().is_some() && given.as_f64() == read.as_f64()
}

#[test]
fn examples_are_read_and_nothing_in_them_is_left_unread() {
    let mut kinds = BTreeMap::<String, u32>::new();
    for path in examples() {
        for object in documents(&read(&path)) {
            let kind = object["kind"].as_str().expect("a kind").to_owned();
            checked(&object).unwrap_or_else(|why| panic!("{}: {kind}: {why}", path.display()));
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let wanted = ["Gateway", "KafkaCluster", "KafkaNodePool", "KafkaTopic", "KafkaUser"];
    assert!(wanted.iter().all(|kind| kinds.contains_key(*kind)), "{kinds:?}");
}

#[test]
fn field_that_nobody_knows_is_found() {
    let with = |field: &str| {
        checked(&serde_json::json!({
            "apiVersion": "klamm.dev/v1alpha1", "kind": "Gateway", "metadata": { "name": "x" },
            "spec": { "cluster": { "name": "c" }, field: { "type": "NodePort" } },
        }))
    };
    assert_eq!(with("service"), Ok(()));
    assert_eq!(with("servcie"), Err(".spec.servcie is unknown".to_owned()));
}
