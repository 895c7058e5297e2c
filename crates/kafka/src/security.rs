//! How a connection is protected: TLS and SASL (cargo feature `tls`).

#[cfg(feature = "tls")]
pub(crate) mod sasl;
#[cfg(feature = "tls")]
mod scram;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
pub use sasl::{Mechanism, Sasl};
#[cfg(feature = "tls")]
pub use scram::ScramMechanism;
#[cfg(feature = "tls")]
pub(crate) use scram::salted_password;
#[cfg(feature = "tls")]
pub use tls::{ClientCertificate, Tls};

/// What connections of a client are protected by. The default is nothing: `PLAINTEXT` in Kafka's words.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Security {
    /// `SSL` or `SASL_SSL`: who is trusted, and the client's own certificate.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// `SASL_PLAINTEXT` or `SASL_SSL`: user and password.
    #[cfg(feature = "tls")]
    pub sasl: Option<Sasl>,
}

#[cfg(feature = "tls")]
impl Security {
    /// The same over TLS.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same, authenticated by user and password. Without TLS a reader of the network learns a PLAIN password, and
    /// enough of a SCRAM one to try words against.
    #[must_use]
    pub fn with_sasl(self, sasl: Sasl) -> Self {
        Self { sasl: Some(sasl), ..self }
    }
}
