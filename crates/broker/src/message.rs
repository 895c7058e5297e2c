//! A message as the broker knows it, whatever protocol brought it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use klamm_mqtt::Publication;

/// Quality of service (MQTT 5.0 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum QoS {
    /// 0: may be lost.
    #[default]
    AtMostOnce,
    /// 1: may come twice.
    AtLeastOnce,
    /// 2: once.
    ExactlyOnce,
}

/// A message to or from an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Topic name, with levels set apart by `/`.
    pub name: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// Quality it was published with; records of plain Kafka producers count as at least once.
    pub qos: QoS,
    /// Client that published it, when one did.
    pub publisher: Option<Arc<str>>,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Seconds from `timestamp_ms` after which nobody wants it any more.
    pub expiry_seconds: Option<u32>,
    /// What else came with it.
    pub properties: Properties,
}

/// Application properties (MQTT 5.0 section 3.3.2.3), slices of what came in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// The payload is UTF-8 text.
    pub payload_is_text: bool,
    /// MIME type of the payload.
    pub content_type: Option<Bytes>,
    /// Topic name for a reply.
    pub response_topic: Option<Bytes>,
    /// What the requester tells its replies apart by.
    pub correlation_data: Option<Bytes>,
    /// Names and values in order, duplicates kept; both UTF-8.
    pub user: Vec<(Bytes, Bytes)>,
}

impl QoS {
    /// From its number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl Message {
    /// Seconds left at `now_ms` before it expires: `None` without an expiry, `Some(0)` when it is over.
    pub fn seconds_left(&self, now_ms: i64) -> Option<u32> {
        let expiry = self.expiry_seconds?;
        let passed = (now_ms - self.timestamp_ms).max(0) / 1000;
        Some(u32::try_from(i64::from(expiry) - passed).unwrap_or(0))
    }
}

/// A message on its way to many subscribers, with what they share.
#[derive(Debug, Default)]
pub struct Dispatch {
    message: Message,
    publication: OnceLock<Arc<Publication>>,
}

impl From<Message> for Dispatch {
    fn from(message: Message) -> Self {
        Self { message, publication: OnceLock::new() }
    }
}

impl Deref for Dispatch {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Dispatch {
    /// The message in MQTT's words, made when the first subscriber asks.
    pub(crate) fn publication(&self) -> &Arc<Publication> {
        self.publication.get_or_init(|| Arc::new(crate::mqtt::publication(&self.message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_counts_down_and_ends_at_nothing() {
        let message =
            Message { timestamp_ms: 10_000, expiry_seconds: Some(5), ..Message::default() };
        assert_eq!(message.seconds_left(9_000), Some(5));
        assert_eq!(message.seconds_left(12_999), Some(3));
        assert_eq!(message.seconds_left(99_000), Some(0));
        assert_eq!(Message::default().seconds_left(i64::MAX), None);
    }
}
