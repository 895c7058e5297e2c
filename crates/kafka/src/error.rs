//! What goes wrong on a connection.

use std::sync::Arc;

use klamm_kafka_proto::records::BatchError;
use klamm_kafka_proto::{ApiKey, ErrorCode, WireError};

/// Why a connection ended or a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// The system's word about the socket. Retryable on a new connection.
    #[error("{0}")]
    Io(Arc<std::io::Error>),
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
    /// The peer closed the connection.
    #[error("the connection was closed by the other side")]
    Closed,
    /// The broker's answer was an error. Retryable as its code says.
    #[error("{what}: {code}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The broker's word.
        code: ErrorCode,
    },
    /// The broker sent a record batch that cannot be read. Not retryable.
    #[error("the batch at offset {offset}: {error}")]
    Unreadable {
        /// Its base offset.
        offset: i64,
        /// What is wrong with it.
        error: BatchError,
    },
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
            Self::Io(_) | Self::Closed | Self::Idle(_) => true,
            Self::Refused { code, .. } => code.is_retriable(),
            Self::Malformed { .. }
            | Self::NotServed { .. }
            | Self::NoCommonVersion(_)
            | Self::Unreadable { .. } => false,
        }
    }
}
