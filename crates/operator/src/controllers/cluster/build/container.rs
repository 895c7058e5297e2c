//! Kafka's container, and the one before it that brings the agent.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, ExecAction, Probe, ResourceRequirements,
    SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::names::{AGENT_PORT, CONTROLLER_PORT, INTERNAL_PORT};
use super::super::{Inputs, NodeSpec, Validated};
use super::volume;

/// The official image, without what somebody wrote.
const IMAGE: &str = "docker.io/apache/kafka";
/// Container and environment variable that belong to the pod's resources.
pub(super) const KAFKA: &str = "kafka";
/// Requests, limits and heap are told apart from the rest of the pod.
pub(super) const HEAP: &str = "KAFKA_HEAP_OPTS";

/// Copies the agent to where Kafka's container runs it.
pub(super) fn install(validated: &Validated) -> Container {
    let text = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let quantities = |pairs: &[(&str, &str)]| -> Option<BTreeMap<String, Quantity>> {
        Some(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Quantity((*value).to_owned())))
                .collect(),
        )
    };
    Container {
        name: "agent".to_owned(),
        image: Some(validated.agent_image.clone()),
        command: text(&["klamm-agent", "install", volume::AGENT]),
        // It copies a file of some megabytes, before Kafka's container needs anything.
        resources: Some(ResourceRequirements {
            requests: quantities(&[("cpu", "10m"), ("memory", "16Mi")]),
            limits: quantities(&[("memory", "64Mi")]),
            ..ResourceRequirements::default()
        }),
        security_context: Some(security()),
        volume_mounts: Some(vec![volume::mount(volume::AGENT_VOLUME, volume::AGENT)]),
        ..Container::default()
    }
}

/// Kafka, started by the agent.
pub(super) fn kafka(node: &NodeSpec) -> Container {
    let inputs = &node.inputs;
    let image = inputs.image.clone().unwrap_or_else(|| format!("{IMAGE}:{}", inputs.version));
    let program = format!("{}/klamm-agent", volume::AGENT);
    Container {
        name: KAFKA.to_owned(),
        image: Some(image),
        command: Some(vec![program.clone(), "run".to_owned()]),
        env: Some(environment(node)),
        ports: Some(ports(inputs)),
        resources: inputs.resources.clone(),
        security_context: Some(security()),
        // The agent answers before it has a permit, so this waits for a machine that is slow and not for Kafka.
        startup_probe: Some(probe(&program, "live", 2, 150)),
        // The process is alive. A node that runs and does not answer is the roller's, which knows what it holds.
        liveness_probe: Some(probe(&program, "live", 10, 6)),
        readiness_probe: Some(probe(&program, "ready", 5, 2)),
        volume_mounts: Some(volume::mounts(inputs)),
        ..Container::default()
    }
}

/// What Kafka's scripts read; the agent adds where to write and how to log.
fn environment(node: &NodeSpec) -> Vec<EnvVar> {
    let variable = |name: &str, value: String| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    };
    // The image's archive of classes saves a second or two of each start; a Java that cannot use it goes without. A process that is
    // out of memory is better restarted than half alive.
    // A pod that is replaced has another address. Java goes on with the old one for 30 s, in which a broker that has just come back and leads is
    // followed by nobody, and takes a name that was not there yet for missing for 10 s.
    let own = [
        "-XX:SharedArchiveFile=/opt/kafka/kafka.jsa",
        "-XX:+ExitOnOutOfMemoryError",
        "-Dsun.net.inetaddr.ttl=1",
        "-Dsun.net.inetaddr.negative.ttl=0",
    ];
    let options: Vec<&str> =
        own.into_iter().chain(node.inputs.jvm_options.iter().map(String::as_str)).collect();
    let heap = node.heap_mib;
    vec![
        variable(HEAP, format!("-Xms{heap}m -Xmx{heap}m")),
        variable("KAFKA_OPTS", options.join(" ")),
    ]
}

fn ports(inputs: &Inputs) -> Vec<ContainerPort> {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let controller = inputs.roles.controller.then(|| port("controller", CONTROLLER_PORT));
    let internal = inputs.roles.broker.then(|| port("internal", INTERNAL_PORT));
    let clients = inputs.listeners.iter().map(|listener| port(&listener.name, listener.port));
    let own = controller.into_iter().chain(internal).chain([port("agent", AGENT_PORT)]);
    own.chain(clients).collect()
}

fn probe(program: &str, what: &str, period_seconds: i32, failures: i32) -> Probe {
    let command = [program, "probe", what].map(str::to_owned).into();
    Probe {
        exec: Some(ExecAction { command: Some(command) }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

/// As the standard `restricted` has it, and a root that cannot be written to.
fn security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
