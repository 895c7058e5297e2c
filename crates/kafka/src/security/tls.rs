//! TLS: who is trusted, who the client is, and what went wrong in words.

use std::fmt;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore,
};

use crate::error::TlsProblem;
use crate::{KafkaError, stream};

/// Who is trusted, and the client's own certificate. Read once; clones share it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    shows_certificate: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("shows_certificate", &self.shows_certificate)
            .finish_non_exhaustive()
    }
}

/// A client's certificate, in PEM. One text may hold both, as Kafka's keystores do.
#[derive(Clone)]
pub struct ClientCertificate<'a> {
    /// The certificate and those between it and its authority.
    pub chain: &'a [u8],
    /// Its private key (PKCS#8, PKCS#1 or SEC1).
    pub key: &'a [u8],
}

impl fmt::Debug for ClientCertificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate")
    }
}

impl Tls {
    /// Trusts the authorities in `roots` (PEM) and nobody else, and shows `certificate` to a broker that asks for one.
    ///
    /// # Errors
    /// [`KafkaError::Credentials`] when one of them cannot be read.
    pub fn new(
        roots: &[u8],
        certificate: Option<&ClientCertificate<'_>>,
    ) -> Result<Self, KafkaError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable("the cipher suites"))?
            .with_root_certificates(trusted(roots)?);
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key);
                let key = key.map_err(unusable("the client's private key"))?;
                builder
                    .with_client_auth_cert(certificates(own.chain)?, key)
                    .map_err(unusable("the client's certificate with its key"))?
            }
        };
        // Connections are kept. Sessions for those that follow would take more memory than that.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), shows_certificate: certificate.is_some() })
    }

    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        server: &str,
    ) -> Result<TlsStream<TcpStream>, KafkaError> {
        let host = stream::host(server).to_owned();
        let name = ServerName::try_from(host).map_err(unusable("the server's name"))?;
        let connecting = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream);
        // Boxed: a handshake in progress is some 20 kB.
        Box::pin(connecting).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => tls(server, TlsProblem::NoHandshake),
            _ => self.explain(server, error),
        })
    }

    /// What an error of a connection means, if it is one of TLS.
    pub(crate) fn explain(&self, server: &str, error: std::io::Error) -> KafkaError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(cause) => tls(server, problem(cause, self.shows_certificate)),
            None => error.into(),
        }
    }
}

fn tls(server: &str, problem: TlsProblem) -> KafkaError {
    KafkaError::Tls { server: server.to_owned(), problem }
}

fn unusable<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> KafkaError {
    move |error| KafkaError::Credentials(format!("{what}: {error}"))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, KafkaError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(unusable("certificates"))?;
    if read.is_empty() {
        return Err(KafkaError::Credentials("there is no certificate in the PEM given".into()));
    }
    Ok(read)
}

fn trusted(pem: &[u8]) -> Result<RootCertStore, KafkaError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(unusable("a certificate to be trusted"))?;
    }
    Ok(roots)
}

fn problem(error: &Error, shows_certificate: bool) -> TlsProblem {
    match error {
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::AlertReceived(alert) => of_alert(*alert, shows_certificate),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsProblem::NoHandshake,
        other => TlsProblem::Other(other.to_string()),
    }
}

fn of_certificate(why: &CertificateError) -> TlsProblem {
    match why {
        // An authority of the same name with another key signs what does not verify.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            TlsProblem::UnknownAuthority
        }
        CertificateError::NotValidForName => TlsProblem::NameMismatch(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsProblem::NameMismatch(presented.clone())
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsProblem::NotValidYet
        }
        other => TlsProblem::Other(other.to_string()),
    }
}

/// The alerts by which a server turns down a client's certificate (RFC 8446, section 6.2).
fn of_alert(alert: AlertDescription, shows_certificate: bool) -> TlsProblem {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => TlsProblem::CertificateRequired,
        // What OpenJDK says to a client without one.
        Alert::BadCertificate | Alert::HandshakeFailure if !shows_certificate => {
            TlsProblem::CertificateRequired
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError
            if shows_certificate =>
        {
            TlsProblem::CertificateRefused(format!("{alert:?}"))
        }
        other => TlsProblem::Other(format!("the other side said {other:?}")),
    }
}
