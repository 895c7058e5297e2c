//! Where clients connect.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use klamm_crd::{Gateway, ServiceType};

use super::{MQTT_PORT, names};

pub(super) fn service(gateway: &Gateway) -> Service {
    let wanted = &gateway.spec.service;
    let kind = match wanted.kind {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    let mut metadata = names::metadata(gateway);
    metadata.annotations = Some(wanted.annotations.clone()).filter(|them| !them.is_empty());
    let mqtt = ServicePort {
        name: Some("mqtt".into()),
        port: i32::from(wanted.mqtt_port.unwrap_or(MQTT_PORT)),
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String("mqtt".into())),
        ..Default::default()
    };
    let spec = ServiceSpec {
        type_: Some(kind.to_owned()),
        selector: names::selector(gateway).0.match_labels,
        ports: Some(vec![mqtt]),
        ..Default::default()
    };
    Service { metadata, spec: Some(spec), ..Default::default() }
}
