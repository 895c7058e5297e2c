//! What goes wrong on a connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use klamm_kafka_proto::records::BatchError;
use klamm_kafka_proto::{ApiKey, ErrorCode, WireError};

/// Why a connection ended or a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// The system's word about the socket. Retryable on a new connection.
    #[error("{0}")]
    Io(Arc<std::io::Error>),
    /// No connection to a server: a name that is not known, nobody listens, no route. Retryable.
    #[error("cannot connect to {server}: {error}")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// The system's word.
        error: Arc<std::io::Error>,
    },
    /// The peer sent what is no frame or no message; the connection is closed.
    #[error("malformed {what}: {error}")]
    Malformed {
        /// Which message.
        what: String,
        /// What is wrong with it.
        error: WireError,
    },
    /// The peer asked for an API or version that is not served; the connection is closed.
    #[error("api {key} version {version} is not served here")]
    NotServed {
        /// Number of the API.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// The broker serves no version of the API that this client knows. Not retryable.
    #[error("the broker serves no common version of {0:?}")]
    NoCommonVersion(ApiKey),
    /// Nothing, or not enough, came for too long; the connection is closed.
    #[error("{0}")]
    Idle(&'static str),
    /// No answer in the time the client gives. Whether the request was carried out is not known. Retryable.
    #[error("no answer to {what} within {time:?}{}", after(.last))]
    TimedOut {
        /// Which request.
        what: String,
        /// How long it was waited for.
        time: Duration,
        /// What the last try failed with, where there were several.
        last: Option<Box<Self>>,
    },
    /// The peer closed the connection.
    #[error("the connection was closed by the other side")]
    Closed,
    /// The broker's answer was an error. Retryable as its code says.
    #[error("{what}: {code}{}", said(.message))]
    Refused {
        /// What was asked for.
        what: String,
        /// The broker's word.
        code: ErrorCode,
        /// Its words about this very case, where it has any.
        message: Option<String>,
    },
    /// The broker sent a record batch that cannot be read. Not retryable.
    #[error("the batch at offset {offset}: {error}")]
    Unreadable {
        /// Its base offset.
        offset: i64,
        /// What is wrong with it.
        error: BatchError,
    },
    /// TLS did not come about. Not retryable, except while certificates are being exchanged.
    #[error("TLS with {server}: {problem}")]
    Tls {
        /// `host:port`.
        server: String,
        /// What is wrong, and with whom.
        problem: TlsProblem,
    },
    /// A certificate, key or name that the caller gave cannot be used. Not retryable.
    #[error("{0}")]
    Credentials(String),
    /// The broker broke the rules of the SASL mechanism, or does not know the password itself. Not retryable.
    #[error("SASL: {0}")]
    Sasl(String),
}

/// Why there is no TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The server's certificate is of an authority that is not trusted here.
    UnknownAuthority,
    /// The server's certificate is for other names: these.
    NameMismatch(Vec<String>),
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotValidYet,
    /// The server asks for a client certificate, and none was given.
    CertificateRequired,
    /// The server does not take the client's certificate; its alert.
    CertificateRefused(String),
    /// The other side speaks no TLS, or hung up.
    NoHandshake,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => {
                f.write_str("the server's certificate is of an authority that is not trusted here")
            }
            Self::NameMismatch(names) if names.is_empty() => {
                f.write_str("the server's certificate is for another name")
            }
            Self::NameMismatch(names) => {
                write!(f, "the server's certificate is for other names: {}", names.join(", "))
            }
            Self::Expired => f.write_str("the server's certificate has expired"),
            Self::NotValidYet => f.write_str("the server's certificate is not valid yet"),
            Self::CertificateRequired => {
                f.write_str("the server asks for a client certificate, and none was given")
            }
            Self::CertificateRefused(alert) => {
                write!(f, "the server does not take the client's certificate ({alert})")
            }
            Self::NoHandshake => f.write_str("the other side speaks no TLS, or hung up"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(": {message}")).unwrap_or_default()
}

fn after(last: &Option<Box<KafkaError>>) -> String {
    last.as_ref().map(|last| format!("; last: {last}")).unwrap_or_default()
}

/// Who can do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Whoever called: the request, the credentials or the rights are wrong.
    Caller,
    /// The other side: it is out of order, or not what it should be.
    Server,
    /// Nobody in particular: the network, or a server that is away.
    Network,
}

impl From<std::io::Error> for KafkaError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl KafkaError {
    /// The same call may succeed later, on a new connection.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io(_)
            | Self::Unreachable { .. }
            | Self::Closed
            | Self::Idle(_)
            | Self::TimedOut { .. } => true,
            Self::Refused { code, .. } => code.is_retriable(),
            Self::Tls { problem, .. } => *problem == TlsProblem::NoHandshake,
            Self::Malformed { .. }
            | Self::NotServed { .. }
            | Self::NoCommonVersion(_)
            | Self::Unreadable { .. }
            | Self::Credentials(_)
            | Self::Sasl(_) => false,
        }
    }

    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Io(_)
            | Self::Unreachable { .. }
            | Self::Closed
            | Self::Idle(_)
            | Self::TimedOut { .. } => Fault::Network,
            Self::Malformed { error: WireError::NotInVersion { .. }, .. }
            | Self::NoCommonVersion(_)
            | Self::Credentials(_) => Fault::Caller,
            Self::Malformed { .. }
            | Self::NotServed { .. }
            | Self::Unreadable { .. }
            | Self::Sasl(_) => Fault::Server,
            Self::Refused { code, .. } => fault_of(*code),
            Self::Tls { problem, .. } => match problem {
                TlsProblem::CertificateRequired
                | TlsProblem::CertificateRefused(_)
                | TlsProblem::UnknownAuthority => Fault::Caller,
                TlsProblem::NoHandshake => Fault::Network,
                _ => Fault::Server,
            },
        }
    }

    /// The code, where a broker gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

fn fault_of(code: ErrorCode) -> Fault {
    match code {
        ErrorCode::UnknownServerError | ErrorCode::KafkaStorageError => Fault::Server,
        ErrorCode::FeatureUpdateFailed | ErrorCode::PrincipalDeserializationFailure => {
            Fault::Server
        }
        code if code.is_retriable() => Fault::Server,
        _ => Fault::Caller,
    }
}
