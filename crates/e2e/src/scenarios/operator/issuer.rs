//! A listener whose certificate cert-manager issues: waited for, served, replaced without a restart, and removed when no
//! listener has it. And an authority of cert-manager's for the nodes.

use serde_json::{Value, json};

use super::listeners::{served, served_soon};
use super::{
    Example, PATIENCE, ROLL, SCRAM, THREE, all_new, changed, degraded, none_new, told, verdict,
};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::kubectl::{Namespace, kubectl};
use crate::operator::Operator;
use crate::secret::Secret;
use crate::stage::Stage;
use crate::wait::until;

const CLUSTER: &str = "kafkacluster/main";
const PORT: u16 = 9095;
/// The example's listeners, and one more.
const LISTENER: (&str, &str) = (
    "    - name: scram\n",
    "    - name: issued\n      port: 9095\n      tls:\n        issuer:\n          name: first\n    - name: scram\n",
);
/// What is asked of cert-manager for it, and where it puts it.
const CERTIFICATE: &str = "main-listener-issued";

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let operator = Operator::install(stage)?;
    let namespace = stage.namespace("issuer")?;
    let example = Example { namespace, operator, cluster: "main" };
    let here = &example.namespace;
    here.apply(&changed(THREE, &[LISTENER])?)?;
    if !stage.cluster().has_cert_manager() {
        told(here, CLUSTER, "CertificateMissing", &[CERTIFICATE, "not installed"])?;
        stage.cluster().install_cert_manager()?;
    }
    told(here, CLUSTER, "CertificateMissing", &[CERTIFICATE, "cert-manager says"])?;
    let pods = example.pods()?;
    End::unless(pods.is_empty(), || format!("made before their certificate: {pods:?}"))?;
    let (first, second) = (authority(here, "first")?, authority(here, "second")?);
    example.ready()?;
    let load = example.load(stage)?;
    served(&example, PORT, &first, &second)?;

    let before = example.containers()?;
    refused(&example)?;
    let since = now();
    let another = r#"[{"op":"test","path":"/spec/listeners/1/name","value":"issued"},
        {"op":"replace","path":"/spec/listeners/1/tls/issuer/name","value":"second"}]"#;
    here.kubectl(&["patch", CLUSTER, "--type=json", "-p", another])?;
    served_soon(&example, PORT, &second, &first)?;
    stage.number("another issuer's certificate served by all after", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    none_new(&before, &example.containers()?)?;

    let no_issuer = r#"[{"op":"remove","path":"/spec/listeners/1/tls/issuer"}]"#;
    here.kubectl(&["patch", CLUSTER, "--type=json", "-p", no_issuer])?;
    example.settled(ROLL)?;
    served(&example, PORT, &example.trust()?, &second)?;
    let since = now();
    let (before, old) = (example.pods()?, example.trust()?);
    example.patch(
        r#"{"spec":{"certificates":{"clusterAuthority":{"name":"first"},"trustGraceDays":0}}}"#,
    )?;
    until("cert-manager's authority, and no other one, that is trusted", ROLL, || {
        let trust = example.trust()?;
        if trust.trim() == first.trim() { Ok(()) } else { Err(trust) }
    })
    .map_err(|error| example.explain(&error))?;
    example.settled(ROLL)?;
    stage.number("nodes' certificates by cert-manager's authority after", since_ms(since), "ms");
    all_new(&before, &example.pods()?)?;
    served(&example, SCRAM, &first, &old)?;
    until("no Certificate any more", PATIENCE, || {
        let left = here.kubectl(&["get", "certificates", "-o", "name"])?;
        if left.contains(CERTIFICATE) { Err(left) } else { Ok(()) }
    })?;
    verdict(stage, load)
}

/// Who checks Certificates refuses them for a while, as a webhook does that is away: what is there is served, and it is told.
fn refused(example: &Example) -> Outcome {
    let name = "e2e-issuer-refused";
    let object = |kind: &str, spec: Value| {
        let (version, metadata) = ("admissionregistration.k8s.io/v1", json!({ "name": name }));
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
    };
    let certificates = json!({
        "apiGroups": ["cert-manager.io"], "apiVersions": ["*"], "resources": ["certificates"],
        "operations": ["CREATE", "UPDATE"],
    });
    let policy = json!({
        "matchConstraints": { "resourceRules": [certificates] },
        "validations": [{ "expression": "false", "message": "nobody checks certificates now" }],
    });
    let here = json!({ "kubernetes.io/metadata.name": example.namespace.name() });
    let binding = json!({
        "policyName": name, "validationActions": ["Deny"],
        "matchResources": { "namespaceSelector": { "matchLabels": here } },
    });
    let (policy_kind, binding_kind) =
        ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding");
    for object in [object(policy_kind, policy), object(binding_kind, binding)] {
        kubectl(&["apply", "--server-side", "-f", "-"], Some(&object.to_string()))?;
    }
    let told = degraded(example, "nobody checks certificates now");
    for kind in [binding_kind, policy_kind] {
        kubectl(&["delete", kind, name], None)?;
    }
    told?;
    until("no word of it any more", PATIENCE, || {
        let conditions = example.status()?["conditions"].to_string();
        if conditions.contains("nobody checks") { Err(conditions) } else { Ok(()) }
    })?;
    Ok(example.settled(PATIENCE)?)
}

/// An issuer with an authority of its own, which another issuer makes; what to trust.
fn authority(here: &Namespace, name: &str) -> Result<String, String> {
    let object = |kind: &str, name: &str, spec: Value| {
        let (version, metadata) = ("cert-manager.io/v1", json!({ "name": name }));
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
    };
    let maker = format!("{name}-maker");
    let made = json!({
        "isCA": true, "commonName": name, "secretName": name,
        "privateKey": { "algorithm": "ECDSA", "encoding": "PKCS8" }, "issuerRef": { "name": maker },
    });
    for object in [
        object("Issuer", &maker, json!({ "selfSigned": {} })),
        object("Certificate", name, made),
        object("Issuer", name, json!({ "ca": { "secretName": name } })),
    ] {
        here.apply(&object.to_string())?;
    }
    here.wait(&format!("issuer.cert-manager.io/{name}"), "condition=Ready", PATIENCE)?;
    Secret::read(here, name)?.text("ca.crt")
}
