//! What the log says, in MQTT's words.

use klamm_log::LogError;
use klamm_mqtt::Reason;

/// The reason code for an append or a subscription that failed (MQTT 5.0 section 2.4).
pub(super) fn reason(error: &LogError) -> Reason {
    match error {
        LogError::NoSpace(_) | LogError::Full => Reason::QuotaExceeded,
        LogError::TooLarge { .. } => Reason::PacketTooLarge,
        LogError::InvalidTopic { .. } => Reason::TopicNameInvalid,
        LogError::Refused(_) => Reason::NotAuthorized,
        _ => Reason::ImplementationSpecificError,
    }
}
