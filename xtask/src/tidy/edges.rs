//! The invariants of absence: which crate may not know which.

use std::path::Path;

use super::Finding;

/// `(crate folder, names it must not depend on outside dev-dependencies, why)`. A name that ends
/// in `*` stands for every name that begins so.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("kafka-proto", PROTO, PROTO_WHY),
    ("mqtt-proto", PROTO, PROTO_WHY),
    ("amqp-proto", PROTO, PROTO_WHY),
    ("net", &["klamm*"], "net knows tokio and no protocol"),
    ("kafka", &["klamm-mqtt*", "klamm-amqp*", "klamm-log*", "klamm-broker"], PROTOCOL_WHY),
    ("mqtt", &["klamm-kafka*", "klamm-amqp*", "klamm-log*", "klamm-broker"], PROTOCOL_WHY),
    ("amqp", &["klamm-kafka*", "klamm-mqtt*", "klamm-log*", "klamm-broker"], PROTOCOL_WHY),
    ("log", &["klamm-kafka", "klamm-mqtt*", "klamm-amqp*", "klamm-broker", "klamm-net"], LOG_WHY),
    ("log-kafka", &["klamm-kafka", "klamm-mqtt*", "klamm-amqp*", "klamm-broker"], LOG_WHY),
    ("broker", &["klamm-log-kafka", "kube*"], "the broker reaches a log through the trait"),
    ("klamm", &["kube*", "k8s-openapi", "klamm-operator"], KLAMM_WHY),
    ("operator-core", &["kube*", "k8s-openapi", "tokio*", "klamm*"], CORE_WHY),
    ("crd", &["tokio*", "klamm*"], CRD_WHY),
    ("e2e", &["kube*", "k8s-openapi", "klamm-operator", "klamm-broker"], E2E_WHY),
    (
        "e2e-nodes",
        NODES,
        "simulated nodes know what goes over the wire, and nothing of who is measured",
    ),
    ("operator", &["klamm-broker", "klamm-log*", "klamm-mqtt*", "klamm-amqp*"], OPERATOR_WHY),
    ("agent", AGENT, "the agent speaks Kafka's protocol and its own, in every Kafka pod"),
];
const AGENT: &[&str] = &[
    "klamm-amqp*",
    "klamm-broker",
    "klamm-crd",
    "klamm-log*",
    "klamm-mqtt*",
    "klamm-operator",
    "kube*",
    "k8s-openapi",
];
const NODES: &[&str] =
    &["klamm-operator*", "klamm-broker", "klamm-log*", "klamm-mqtt*", "klamm-amqp*", "klamm-e2e"];
const PROTO: &[&str] = &["tokio*", "klamm*", "rdkafka*", "mio", "socket2", "rustls*"];
const PROTO_WHY: &str = "a proto crate knows no IO, no clock and no other crate of ours";
const PROTOCOL_WHY: &str = "protocol crates know neither each other nor the log";
const KLAMM_WHY: &str = "`cargo run` must not compile Kubernetes code";
const CORE_WHY: &str = "the operator's decisions are pure: no Kubernetes, no Kafka, no clock";
const CRD_WHY: &str = "resources are data; what they do is the operator's";
const E2E_WHY: &str = "what is tested is told from outside, as a user would";
const OPERATOR_WHY: &str = "the operator runs Kafka; it is no messenger";
const LOG_WHY: &str = "a log knows record batches and no server";

pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let folder = root.join("crates");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(findings) };
    for entry in entries.flatten() {
        let manifest = entry.path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        findings.extend(check_manifest(&name, &text)?);
    }
    Ok(findings)
}

fn check_manifest(name: &str, text: &str) -> Result<Vec<Finding>, String> {
    let manifest: toml::Table =
        text.parse().map_err(|error| format!("crates/{name}/Cargo.toml: {error}"))?;
    let dependencies: Vec<&String> = manifest
        .get("dependencies")
        .and_then(|d| d.as_table())
        .into_iter()
        .flat_map(|t| t.keys())
        .collect();
    let mut findings = Vec::new();
    let mut refuse = |message| {
        let place = format!("crates/{name}/Cargo.toml");
        findings.push(Finding { place, message, fatal: true });
    };
    for dependency in dependencies {
        if dependency == "klamm" {
            refuse("nothing depends on `klamm`".to_owned());
        }
        for (_, names, why) in FORBIDDEN.iter().filter(|(of, ..)| *of == name) {
            if names.iter().any(|pattern| matches(pattern, dependency)) {
                refuse(format!("depends on {dependency}: {why}"));
            }
        }
    }
    Ok(findings)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proto_crate_with_tokio_is_refused() {
        let found = check_manifest("mqtt-proto", "[dependencies]\ntokio = '1'\nbytes = '1'\n");
        assert_eq!(found.unwrap().len(), 1);
    }

    #[test]
    fn operator_with_a_messengers_crate_is_refused() {
        let found = check_manifest("operator", "[dependencies]\nklamm-broker = '1'\nkube = '5'\n");
        assert_eq!(found.unwrap().len(), 1);
    }

    #[test]
    fn agent_with_kubernetes_is_refused() {
        let found = check_manifest("agent", "[dependencies]\nklamm-kafka = '1'\nkube = '5'\n");
        assert_eq!(found.unwrap().len(), 1);
    }

    #[test]
    fn development_dependencies_are_free() {
        let found = check_manifest("mqtt-proto", "[dev-dependencies]\ntokio = '1'\n");
        assert_eq!(found.unwrap().len(), 0);
    }
}
