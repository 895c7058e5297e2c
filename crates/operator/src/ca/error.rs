//! What is wrong with something that holds certificates.

/// Why certificates cannot be read, made or used; each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// A key of a Secret is not there.
    #[error("'{0}' is missing")]
    Missing(String),
    /// Not PEM, or not a certificate in it.
    #[error("'{key}' holds no readable certificate ({why})")]
    UnreadableCertificate {
        /// The key in the Secret.
        key: String,
        /// The parser's words.
        why: String,
    },
    /// Not a key that can sign.
    #[error("'{key}' holds no readable private key ({why})")]
    UnreadableKey {
        /// The key in the Secret.
        key: String,
        /// What was found instead.
        why: String,
    },
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate '{0}'")]
    KeyMismatch(String),
    /// The certificate may not sign others.
    #[error("'{0}' is not the certificate of an authority (basicConstraints CA:TRUE, keyCertSign)")]
    NotAnAuthority(String),
    /// The authority's name would come out otherwise in what it issues.
    #[error(
        "the subject '{0}' cannot be used as an issuer: it names an attribute twice or in an old character set"
    )]
    UnusableName(String),
    /// The authority has no key, so it issues nothing.
    #[error("the authority '{0}' has no private key here and issues nothing")]
    NoKey(String),
    /// A name that a certificate cannot carry.
    #[error("'{name}' cannot stand in a certificate: {why}")]
    InvalidName {
        /// The name.
        name: String,
        /// What it breaks.
        why: &'static str,
    },
    /// The cryptography refused.
    #[error("cannot make a certificate: {0}")]
    Making(String),
}

impl CaError {
    pub(super) fn making(error: &rcgen::Error) -> Self {
        Self::Making(error.to_string())
    }
}
