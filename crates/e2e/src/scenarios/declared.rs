//! Topics and users that are declared as resources, on a cluster with rules (`e2e/topics`).

use std::time::Duration;

use klamm_kafka::security::Security;
use serde_json::{Value, json};

use crate::clock::{now, since_ms};
use crate::end::Outcome;
use crate::kafka::Kafka;
use crate::kubectl::Namespace;
use crate::operator::Operator;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};

pub(super) mod claims;
pub(super) mod topic;
pub(super) mod user;

/// A cluster with rules, and who may look.
struct Place {
    namespace: Namespace,
    operator: Operator,
    kafka: Kafka,
}

impl Place {
    fn new(stage: &mut Stage<'_>, name: &str) -> Outcome<Self> {
        let operator = Operator::install(stage)?;
        let namespace = stage.namespace(name)?;
        namespace.apply_file("e2e/topics/cluster.yaml")?;
        let ready = namespace.wait("kafkacluster/main", "condition=Ready", PATIENCE);
        ready.map_err(|error| format!("{error}\n{}", operator.log().unwrap_or_default()))?;
        let server = format!("main-bootstrap.{}.svc.cluster.local:9092", namespace.name());
        let kafka = Kafka::new(&server, Security::default())?;
        Ok(Self { namespace, operator, kafka })
    }

    /// Waits until a resource's newest generation was looked at and `Ready` has this reason; the message.
    fn told(&self, here: &Namespace, what: &str, reason: &str) -> Result<String, String> {
        let told = until(&format!("{reason} of {what}"), PATIENCE, || {
            let object = here.json(what)?;
            let ready = condition(&object);
            let seen = ready["observedGeneration"] == object["metadata"]["generation"];
            if seen && ready["reason"] == reason {
                return Ok(ready["message"].as_str().unwrap_or_default().to_owned());
            }
            Err(ready.to_string())
        });
        told.map_err(|error| self.explain(&error))
    }

    /// Waits until a resource's newest generation is Ready.
    fn ready(&self, here: &Namespace, what: &str) -> Result<u64, String> {
        let since = now();
        let ready = until(&format!("{what} Ready"), PATIENCE, || {
            let object = here.json(what)?;
            let ready = condition(&object);
            let seen = ready["observedGeneration"] == object["metadata"]["generation"];
            if seen && ready["status"] == "True" { Ok(()) } else { Err(ready.to_string()) }
        });
        ready.map_err(|error| self.explain(&error))?;
        Ok(since_ms(since))
    }

    fn explain(&self, error: &str) -> String {
        format!("{error}\n{}", self.operator.log().unwrap_or_default())
    }
}

/// The condition `Ready`, null while there is none.
fn condition(object: &Value) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|c| c["type"] == "Ready").unwrap_or_default()
}

/// A resource of this kind, of a cluster that may live elsewhere.
#[expect(clippy::needless_pass_by_value, reason = "made in place by json!")]
fn resource(kind: &str, name: &str, home: Option<&Namespace>, spec: Value) -> String {
    let mut whole = json!({ "cluster": { "name": "main" } });
    if let Some(home) = home {
        whole["cluster"]["namespace"] = home.name().into();
    }
    for (key, value) in spec.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    let version = "klamm.dev/v1alpha1";
    let metadata = json!({ "name": name });
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": whole }).to_string()
}

fn patch(here: &Namespace, what: &str, spec: &Value) -> Result<(), String> {
    let patch = json!({ "spec": spec }).to_string();
    here.kubectl(&["patch", what, "--type=merge", "-p", &patch]).map(drop)
}

/// Deletes a resource and waits until it is gone.
fn delete(here: &Namespace, what: &str) -> Result<(), String> {
    here.kubectl(&["delete", what, "--wait=false"])?;
    until(&format!("{what} gone"), PATIENCE, || match here.kubectl(&["get", what]) {
        Err(error) if error.contains("NotFound") => Ok(()),
        Err(error) => Err(error),
        Ok(there) => Err(there),
    })
}

/// A namespace with everything in it goes, and nothing keeps it.
fn goes(stage: &mut Stage<'_>, here: &Namespace) -> Outcome {
    let since = now();
    here.remove()?;
    let took = Duration::from_millis(since_ms(since));
    stage.number("namespace gone, cluster and all", took.as_millis(), "ms");
    Ok(())
}
