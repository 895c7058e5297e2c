//! Services: a name for each node, one for the controllers, one for clients.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};

use super::super::Validated;
use super::super::names::{
    AGENT_PORT, CONTROLLER_PORT, INTERNAL_PORT, LABEL_BROKER, LABEL_CONTROLLER,
};
use super::metadata;

pub(super) fn build(validated: &Validated) -> Vec<Service> {
    vec![nodes(validated), controllers(validated), bootstrap(validated)]
}

/// Every pod has a name as soon as it has an address: a quorum forms before anybody is ready.
fn nodes(validated: &Validated) -> Service {
    let own = [
        port("controller", CONTROLLER_PORT),
        port("internal", INTERNAL_PORT),
        port("agent", AGENT_PORT),
    ];
    let ports = own.into_iter().chain(client_ports(validated)).collect();
    headless(validated, validated.names.nodes_service(), None, ports)
}

/// Whichever controllers there are: nodes look here for the quorum.
fn controllers(validated: &Validated) -> Service {
    let ports = vec![port("controller", CONTROLLER_PORT)];
    let name = validated.names.controllers_service();
    headless(validated, name, Some((LABEL_CONTROLLER, "true")), ports)
}

/// Brokers that are ready.
fn bootstrap(validated: &Validated) -> Service {
    Service {
        metadata: metadata(validated, validated.names.bootstrap_service()),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(validated.names.selector([(LABEL_BROKER, "true")])),
            ports: Some(client_ports(validated).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn headless(
    validated: &Validated,
    name: String,
    role: Option<(&str, &str)>,
    ports: Vec<ServicePort>,
) -> Service {
    Service {
        metadata: metadata(validated, name),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(validated.names.selector(role)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn client_ports(validated: &Validated) -> impl Iterator<Item = ServicePort> + '_ {
    validated.listeners.iter().map(|listener| port(&listener.name, listener.port))
}

fn port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
