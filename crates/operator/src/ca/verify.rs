//! Real verification, for tests: rustls on both sides of a connection in memory, with a clock of its own.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::Secret;
use super::secret::key;

#[derive(Debug)]
struct Clock(u64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(time(self.0))
    }
}

fn time(now_s: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(now_s))
}

/// One end of a connection: who it is, and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) chain: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) trusts: Vec<u8>,
}

impl End {
    /// A node among nodes.
    pub(super) fn node(secret: &Secret) -> Self {
        let file = |name| secret.data[name].clone();
        let keystore = file(key::KEYSTORE);
        Self { chain: keystore.clone(), key: keystore, trusts: file(key::TRUSTSTORE) }
    }

    /// A node on a client listener.
    pub(super) fn listener(secret: &Secret) -> Self {
        Self { trusts: secret.data[key::CLIENTS_TRUSTSTORE].clone(), ..Self::node(secret) }
    }

    /// A user.
    pub(super) fn user(secret: &Secret) -> Self {
        let file = |name: &str| secret.data[name].clone();
        Self { chain: file(key::USER_CRT), key: file(key::USER_KEY), trusts: file(key::CA_CRT) }
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(&self.chain).collect::<Result<_, _>>().unwrap()
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(&self.key).unwrap()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&self.trusts) {
            roots.add(root.unwrap()).unwrap();
        }
        roots.into()
    }
}

/// Whether a server with this end is what the other end takes it for: path, name, purpose and time.
pub(super) fn server_is_verified(
    server: &End,
    name: &str,
    by: &End,
    now_s: u64,
) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(by.roots(), provider);
    let chain = server.chain();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let verdict = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], time(now_s));
    verdict.map(|_| ()).map_err(|error| error.to_string())
}

/// Whether a client with this end is let in by the other end.
pub(super) fn client_is_verified(client: &End, by: &End, now_s: u64) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(by.roots(), provider);
    let chain = client.chain();
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let verdict = verifier.verify_client_cert(&chain[0], &chain[1..], time(now_s));
    verdict.map(|_| ()).map_err(|error| error.to_string())
}

/// A whole TLS handshake, both sides verified.
pub(super) fn handshake(
    client: &End,
    server: &End,
    name: &str,
    now_s: u64,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clock = Arc::new(Clock(now_s));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(server.roots(), Arc::clone(&provider))
            .build()
            .unwrap();
    let serving =
        ServerConfig::builder_with_details(Arc::clone(&provider), clock.clone() as Arc<_>)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(server.chain(), server.private())?;
    let calling = ClientConfig::builder_with_details(provider, clock)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(client.roots())
        .with_client_auth_cert(client.chain(), client.private())?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(calling.into(), name)?;
    let mut server = ServerConnection::new(serving.into())?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut flight = wire.as_slice();
        while !flight.is_empty() {
            server.read_tls(&mut flight).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        let mut flight = wire.as_slice();
        while !flight.is_empty() {
            client.read_tls(&mut flight).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}
