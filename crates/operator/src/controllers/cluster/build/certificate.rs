//! cert-manager's Certificates, for listeners that name an issuer.

use klamm_crd::{IssuerRef, Listener};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use super::super::Validated;
use super::metadata;

/// cert-manager's Certificate as kube finds it.
pub fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate"))
}

pub(super) fn build(validated: &Validated) -> Vec<DynamicObject> {
    let with_issuer = |listener: &Listener| {
        let issuer = listener.tls.as_ref()?.issuer.as_ref()?;
        Some(certificate(validated, listener, issuer))
    };
    validated.listeners.iter().filter_map(with_issuer).collect()
}

/// One for all brokers: a name with an asterisk does not change with each of them.
fn certificate(validated: &Validated, listener: &Listener, issuer: &IssuerRef) -> DynamicObject {
    let names = &validated.names;
    let name = names.listener_certificate(&listener.name);
    let services = [names.bootstrap_service(), format!("*.{}", names.nodes_service())];
    let hosts: Vec<String> = services
        .iter()
        .flat_map(|service| {
            ["", ".svc", ".svc.cluster.local"]
                .map(|form| format!("{service}.{}{form}", names.namespace))
        })
        .collect();
    let mut object = DynamicObject::new(&name, &resource());
    object.metadata = metadata(validated, name.clone());
    object.data = json!({ "spec": {
        "secretName": name,
        "secretTemplate": { "labels": names.labels() },
        "issuerRef": { "name": issuer.name, "kind": issuer.kind, "group": issuer.group },
        "dnsNames": hosts,
        "usages": ["digital signature", "key encipherment", "server auth"],
        // Kafka reads no other encoding.
        "privateKey": { "encoding": "PKCS8", "rotationPolicy": "Always" },
    }});
    object
}
