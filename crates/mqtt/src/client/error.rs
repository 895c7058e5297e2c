//! What can go wrong for a client.

use klamm_mqtt_proto::{Reason, Violation};

use crate::Closed;

/// Why a client's wish was not met.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// What was asked for cannot be said in MQTT; nothing was sent.
    #[error("{0}")]
    Invalid(Violation),
    /// The server did not let the client in.
    #[error("the server refused: {}{}", .reason.text(), with(.text))]
    Refused {
        /// Why.
        reason: Reason,
        /// For people (MQTT 5).
        text: Option<String>,
    },
    /// The server ended the connection with DISCONNECT (MQTT 5).
    #[error("the server disconnected: {}{}", .reason.text(), with(.text))]
    Disconnected {
        /// Why.
        reason: Reason,
        /// For people.
        text: Option<String>,
    },
    /// No answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The connection ended.
    #[error("{0}")]
    Closed(#[from] Closed),
}

fn with(text: &Option<String>) -> String {
    text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default()
}

impl From<Violation> for ClientError {
    fn from(violation: Violation) -> Self {
        Self::Closed(violation.into())
    }
}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> Self {
        Self::Closed(error.into())
    }
}
