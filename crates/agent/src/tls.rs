//! The node's certificate and whom it trusts, from the mounted Secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use klamm_kafka::security::{ClientCertificate, Tls as KafkaTls};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The files, as they were at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Pems {
    keystore: Vec<u8>,
    truststore: Vec<u8>,
    clients_truststore: Vec<u8>,
}

/// Made of them.
#[derive(Debug, Clone)]
pub struct Tls {
    /// For the operator's calls.
    pub server: Arc<ServerConfig>,
    /// For the agent's own, of Kafka.
    pub kafka: KafkaTls,
}

impl Pems {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence with the path.
    pub fn read(dir: &Path) -> Result<Self, String> {
        Ok(Self {
            keystore: read(&dir.join("keystore.pem"))?,
            truststore: read(&dir.join("truststore.pem"))?,
            clients_truststore: match dir.join("clients-truststore.pem") {
                path if path.exists() => read(&path)?,
                _ => Vec::new(),
            },
        })
    }

    /// As in [`klamm_agent::protocol::Certificate`].
    pub fn fingerprint(&self) -> String {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for file in [&self.keystore, &self.truststore, &self.clients_truststore] {
            context.update(file);
        }
        digits(context)
    }

    /// Makes what TLS needs.
    ///
    /// # Errors
    /// A sentence.
    pub fn tls(&self) -> Result<Tls, String> {
        let server = self.server()?;
        let own = ClientCertificate { chain: &self.keystore, key: &self.keystore };
        let kafka =
            KafkaTls::new(&self.truststore, Some(&own)).map_err(|error| error.to_string())?;
        Ok(Tls { server, kafka })
    }

    fn server(&self) -> Result<Arc<ServerConfig>, String> {
        let key = PrivateKeyDer::from_pem_slice(&self.keystore)
            .map_err(|error| format!("keystore.pem has no key: {error}"))?;
        let chain = certificates("keystore.pem", &self.keystore)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates("truststore.pem", &self.truststore)? {
            roots.add(certificate).map_err(|error| format!("truststore.pem: {error}"))?;
        }
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let verifier = verifier.build().map_err(|error| format!("truststore.pem: {error}"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| format!("keystore.pem: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // The operator keeps its connection; a session kept for it would outlive a change of trust.
        config.send_tls13_tickets = 0;
        Ok(config.into())
    }
}

impl std::fmt::Debug for Pems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pems({})", self.fingerprint())
    }
}

/// The first sixteen hexadecimal digits.
pub fn digits(context: ring::digest::Context) -> String {
    context.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn certificates(name: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{name} has no certificate")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Reads a file of a Secret.
///
/// # Errors
/// A sentence with the path.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    /// The size of a whole Secret.
    const FILE_BYTES_MAX: u64 = 1 << 20;
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pems(clients: &str) -> Pems {
        Pems {
            keystore: b"key\n".to_vec(),
            truststore: b"trust\n".to_vec(),
            clients_truststore: clients.as_bytes().to_vec(),
        }
    }

    #[test]
    fn fingerprint_is_the_head_of_sha256_over_the_files() {
        // printf 'key\ntrust\n' | sha256sum
        assert_eq!(pems("").fingerprint(), "2c0bb537878e4e92");
        // printf 'key\ntrust\nclients\n' | sha256sum
        assert_eq!(pems("clients\n").fingerprint(), "4326cbeee52958f8");
    }

    #[test]
    fn what_is_missing_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Pems::read(dir.path()).unwrap_err();
        assert!(missing.contains("keystore.pem: No such file"), "{missing}");
        let broken = pems("").server().unwrap_err();
        assert!(broken.starts_with("keystore.pem has no key"), "{broken}");
    }
}
