//! Certificates of nodes, as their pods would have them mounted: at once.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::world::Shared;

/// One node's.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// As in [`klamm_agent::protocol::Certificate`].
    pub fingerprint: String,
    /// Asks for a certificate of the same authority.
    pub server: Arc<ServerConfig>,
}

/// Keeps up with the Secrets.
pub async fn watch(client: Client, world: Shared) {
    let labelled = watcher::Config::default().labels("klamm.dev/cluster");
    let mut events =
        std::pin::pin!(watcher(Api::<Secret>::all(client), labelled).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(secret) | Event::InitApply(secret)) => {
                let name = (secret.namespace().unwrap_or_default(), secret.name_any());
                if !name.1.ends_with("-tls") {
                    continue;
                }
                match read(&secret) {
                    Ok(certificate) => {
                        world.lock().certificates.insert(name, certificate);
                    }
                    Err(error) => eprintln!("{}/{}: {error}", name.0, name.1),
                }
            }
            Ok(Event::Delete(secret)) => {
                let name = (secret.namespace().unwrap_or_default(), secret.name_any());
                world.lock().certificates.remove(&name);
            }
            Ok(_) => {}
            Err(error) => eprintln!("secrets: {error}"),
        }
    }
}

fn read(secret: &Secret) -> Result<Certificate, String> {
    let file = |name: &str| -> &[u8] {
        let data = secret.data.as_ref().and_then(|data| data.get(name));
        data.map(|bytes| bytes.0.as_slice()).unwrap_or_default()
    };
    let (keystore, truststore) = (file("keystore.pem"), file("truststore.pem"));
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [keystore, truststore, file("clients-truststore.pem")] {
        digest.update(part);
    }
    let digest = digest.finish();
    let fingerprint = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let server = server(keystore, truststore)?;
    Ok(Certificate { fingerprint, server: Arc::new(server) })
}

fn server(keystore: &[u8], truststore: &[u8]) -> Result<ServerConfig, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let key = PrivateKeyDer::from_pem_slice(keystore).map_err(|error| said(&error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(keystore).collect();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(truststore) {
        let certificate = certificate.map_err(|error| said(&error))?;
        roots.add(certificate).map_err(|error| said(&error))?;
    }
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let verifier = verifier.build().map_err(|error| said(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| said(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.map_err(|error| said(&error))?, key)
        .map_err(|error| said(&error))?;
    // As the agent and Kafka: no session outlives its connection.
    config.send_tls13_tickets = 0;
    Ok(config)
}
