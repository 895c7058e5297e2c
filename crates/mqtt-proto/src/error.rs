//! What a peer can do wrong.

use crate::Reason;

/// Why bytes or packets break the specification. The connection is closed with [`Violation::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({})", .reason.text())]
pub struct Violation {
    /// What an MQTT 5 peer is told.
    pub reason: Reason,
    /// What was wrong, with the statement broken where there is one.
    pub what: &'static str,
}

impl Violation {
    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self { reason: Reason::MalformedPacket, what }
    }

    pub(crate) const fn protocol(what: &'static str) -> Self {
        Self { reason: Reason::ProtocolError, what }
    }

    pub(crate) const fn with(reason: Reason, what: &'static str) -> Self {
        Self { reason, what }
    }
}
