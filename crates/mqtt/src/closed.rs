//! How a connection ended.

use std::sync::Arc;

use klamm_mqtt_proto::{Reason, Violation};

/// Why a connection is no more.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The peer closed it without DISCONNECT.
    #[error("the connection was closed without DISCONNECT")]
    ByPeer,
    /// The peer was silent for longer than the keep alive allows [MQTT-3.1.2-22].
    #[error("keep alive timeout")]
    KeepAlive,
    /// The peer broke the specification; it was told so if its protocol has words for it.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// This side ended it with this reason.
    #[error("{}", .0.text())]
    ByUs(Reason),
    /// The peer does not take what is sent to it, or does not finish what it began to send.
    #[error("{0}")]
    Stalled(&'static str),
    /// The system's word.
    #[error("{0}")]
    Io(Arc<std::io::Error>),
}

impl From<std::io::Error> for Closed {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
