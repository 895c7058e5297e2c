//! A listener with a certificate of somebody's own: another one in its Secret is served, and nobody restarts.

use klamm_kafka::KafkaError;
use klamm_kafka::client::{Client, ClientOptions};
use klamm_kafka::security::{Security, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;

use super::{Example, PATIENCE, THREE, changed, none_new, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::operator::Operator;
use crate::stage::Stage;
use crate::wait::until;

const PORT: u16 = 9095;
/// The example's listeners, and one more.
const LISTENER: (&str, &str) = (
    "    - name: scram\n",
    "    - name: own\n      port: 9095\n      tls:\n        secret:\n          name: own\n    - name: scram\n",
);

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let operator = Operator::install(stage)?;
    let namespace = stage.namespace("listeners")?;
    let (first, second) = (Authority::new("first")?, Authority::new("second")?);
    first.deliver(&namespace)?;
    let example = Example { namespace, operator, cluster: "main" };
    example.namespace.apply(&changed(THREE, &[LISTENER])?)?;
    example.ready()?;
    let load = example.load(stage)?;
    let before = example.containers()?;
    let (first, by_second) = (first.pem(), second.pem());
    served(&example, PORT, &first, &by_second)?;
    let since = now();
    second.deliver(&example.namespace)?;
    served_soon(&example, PORT, &by_second, &first)?;
    stage.number("another certificate served by all after", since_ms(since), "ms");
    example.settled(PATIENCE)?;
    none_new(&before, &example.containers()?)?;
    verdict(stage, load)
}

/// Every broker of `main` shows on this port a certificate by this authority, and not by that one.
pub(super) fn served(example: &Example, port: u16, by: &str, not_by: &str) -> Outcome {
    for broker in 0..3 {
        let host = format!("main-all-{broker}-0.main-nodes.{}.svc", example.namespace.name());
        let server = format!("{host}:{port}");
        greets(&server, by).map_err(|error| format!("{server}: {error}"))?;
        let refused = matches!(greets(&server, not_by), Err(KafkaError::Tls { .. }));
        End::unless(refused, || format!("{server} is taken for another's"))?;
    }
    Ok(())
}

/// The same after a while: what is mounted follows a Secret within a minute or two, the kubelet's pace.
pub(super) fn served_soon(
    example: &Example,
    port: u16,
    by: &str,
    not_by: &str,
) -> Result<(), String> {
    until("the other certificate from every broker", PATIENCE, || {
        served(example, port, by, not_by).map_err(|end| format!("{end:?}"))
    })
    .map_err(|error| example.explain(&error))
}

/// Whom clients of the listener trust.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Result<Self, String> {
        let wrong = |error: rcgen::Error| error.to_string();
        let mut parameters = CertificateParams::new(Vec::new()).map_err(wrong)?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(wrong)?;
        CertifiedIssuer::self_signed(parameters, key).map(Self).map_err(wrong)
    }

    /// Writes the Secret `own` with a certificate for all brokers of a namespace.
    fn deliver(&self, here: &Namespace) -> Result<(), String> {
        let wrong = |error: rcgen::Error| error.to_string();
        let every = format!("*.main-nodes.{}.svc", here.name());
        let parameters = CertificateParams::new([every]).map_err(wrong)?;
        let key = KeyPair::generate().map_err(wrong)?;
        let certificate = parameters.signed_by(&key, &self.0).map_err(wrong)?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "own" },
            "type": "kubernetes.io/tls",
            "stringData": {
                "tls.crt": certificate.pem(), "tls.key": key.serialize_pem(), "ca.crt": self.0.pem(),
            },
        });
        here.apply(&secret.to_string())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

/// A connection of somebody who trusts this authority and nobody else.
fn greets(server: &str, authority: &str) -> Result<(), KafkaError> {
    let tls = Tls::new(authority.as_bytes(), None)?;
    let options = ClientOptions::new("klamm-e2e").with_security(Security::default().with_tls(tls));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Client::connect_with(server, &options)).map(drop)
}
