//! A message on its way to many subscribers: encoded once, patched for each.
//!
//! ```text
//! first byte | remaining length | topic | packet id | properties length | properties | payload
//! \_ patched _/                          \_patched_/  \_ grows by subscription ids _/
//! ```

use std::sync::OnceLock;

use bytes::{BufMut, Bytes, BytesMut};

use crate::primitive::{VARIABLE_BYTE_INTEGER_MAX, put_binary, put_variable, variable_length};
use crate::{Properties, ProtocolVersion, QoS, Utf8};

/// Payloads up to this size are copied into each subscriber's output; larger ones are shared. Copying 2 KiB costs
/// less than another element in a vectored write.
const COPIED_BYTES: usize = 2048;

/// A message, and its frames as they are asked for.
#[derive(Debug)]
pub struct Publication {
    topic: Utf8,
    properties: Properties,
    payload: Bytes,
    /// By version and by QoS 0 or above.
    heads: [OnceLock<Head>; 4],
}

/// Everything before the payload, for a delivery without subscription identifiers.
#[derive(Debug)]
struct Head {
    bytes: Box<[u8]>,
    packet_id_at: usize,
    /// Where the message expiry interval stands, if there is one.
    expiry_at: Option<usize>,
}

/// What differs between subscribers.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The subscriber's protocol.
    pub version: ProtocolVersion,
    /// Sent before.
    pub dup: bool,
    /// Of this delivery.
    pub qos: QoS,
    /// The RETAIN flag.
    pub retain: bool,
    /// For QoS 1 and 2.
    pub packet_id: u16,
    /// Seconds left of a message that has a message expiry interval [MQTT-3.3.2-6].
    pub expiry_seconds: Option<u32>,
    /// Of the subscriptions that matched; MQTT 5 only.
    pub subscription_identifiers: &'a [u32],
}

impl Publication {
    /// A message. The properties are those of the message itself: no topic alias, no subscription identifiers.
    pub fn new(topic: Utf8, properties: Properties, payload: Bytes) -> Self {
        Self { topic, properties, payload, heads: Default::default() }
    }

    /// Topic name.
    pub fn topic(&self) -> &Utf8 {
        &self.topic
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Bytes of the whole packet for a delivery.
    pub fn packet_bytes(&self, delivery: &Delivery<'_>) -> usize {
        let remaining = self.remaining(delivery);
        1 + variable_length(remaining as u32) + remaining
    }

    /// Appends the packet for a delivery. A large payload is not copied but handed back, to be written after.
    #[must_use = "a payload handed back has to be written too"]
    pub fn write(&self, delivery: &Delivery<'_>, out: &mut BytesMut) -> Option<Bytes> {
        let first = 0x30
            | u8::from(delivery.dup) << 3
            | (delivery.qos as u8) << 1
            | u8::from(delivery.retain);
        let from = out.len();
        let expiry_at = if delivery.subscription_identifiers.is_empty() {
            let head = self.head(delivery);
            out.put_slice(&head.bytes);
            out[from] = first;
            if delivery.qos > QoS::AtMostOnce {
                let at = from + head.packet_id_at;
                out[at..at + 2].copy_from_slice(&delivery.packet_id.to_be_bytes());
            }
            head.expiry_at
        } else {
            self.put_head(first, delivery, out)
        };
        if let (Some(at), Some(seconds)) = (expiry_at, delivery.expiry_seconds) {
            let at = from + at;
            out[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
        }
        if self.payload.len() <= COPIED_BYTES {
            out.put_slice(&self.payload);
            None
        } else {
            Some(self.payload.clone())
        }
    }

    fn head(&self, delivery: &Delivery<'_>) -> &Head {
        let index = usize::from(delivery.version == ProtocolVersion::V5) * 2
            + usize::from(delivery.qos > QoS::AtMostOnce);
        self.heads[index].get_or_init(|| {
            let mut bytes = BytesMut::new();
            let expiry_at = self.put_head(0, delivery, &mut bytes);
            let length_bytes = variable_length(self.remaining(delivery) as u32);
            let packet_id_at = 1 + length_bytes + 2 + self.topic.len();
            Head { bytes: bytes[..].into(), packet_id_at, expiry_at }
        })
    }

    fn identifiers_bytes(delivery: &Delivery<'_>) -> usize {
        delivery.subscription_identifiers.iter().map(|id| 1 + variable_length(*id)).sum()
    }

    fn remaining(&self, delivery: &Delivery<'_>) -> usize {
        let properties = match delivery.version {
            ProtocolVersion::V3 => 0,
            ProtocolVersion::V5 => {
                let length = self.properties.length() + Self::identifiers_bytes(delivery);
                variable_length(length as u32) + length
            }
        };
        let packet_id = if delivery.qos > QoS::AtMostOnce { 2 } else { 0 };
        let remaining = 2 + self.topic.len() + packet_id + properties + self.payload.len();
        remaining.min(VARIABLE_BYTE_INTEGER_MAX as usize)
    }

    /// Returns where the message expiry interval stands.
    fn put_head(&self, first: u8, delivery: &Delivery<'_>, out: &mut BytesMut) -> Option<usize> {
        let from = out.len();
        out.put_u8(first);
        put_variable(out, self.remaining(delivery) as u32);
        put_binary(out, self.topic.bytes());
        if delivery.qos > QoS::AtMostOnce {
            out.put_u16(delivery.packet_id);
        }
        if delivery.version == ProtocolVersion::V3 {
            return None;
        }
        let identifiers = Self::identifiers_bytes(delivery);
        put_variable(out, (self.properties.length() + identifiers) as u32);
        // Properties stand in the order of their numbers; only the payload format (0x01) comes before (0x02).
        let before = if self.properties.payload_format_indicator.is_some() { 2 } else { 0 };
        let expiry_at = out.len() - from + before + 1;
        self.properties.write_fields(out);
        for id in delivery.subscription_identifiers {
            out.put_u8(0x0b);
            put_variable(out, *id);
        }
        self.properties.message_expiry_interval.map(|_| expiry_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Packet, Publish, take_packet};

    #[test]
    fn patched_frames_are_those_the_encoder_writes() {
        for size in [0, 5, 200, COPIED_BYTES + 1] {
            let mut properties = Properties::default();
            properties.fields_mut().message_expiry_interval = Some(9);
            properties.fields_mut().payload_format_indicator = (size > 5).then_some(true);
            let topic = Utf8::from_text("a/b").unwrap();
            let payload = Bytes::from(vec![7; size]);
            let publication = Publication::new(topic.clone(), properties.clone(), payload.clone());
            for version in [ProtocolVersion::V3, ProtocolVersion::V5] {
                for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    for ids in [&[][..], &[1, 300]] {
                        let delivery = Delivery {
                            version,
                            dup: qos > QoS::AtMostOnce,
                            qos,
                            retain: true,
                            packet_id: 0x1234,
                            expiry_seconds: Some(0x0102_0304),
                            subscription_identifiers: ids,
                        };
                        let mut out = BytesMut::new();
                        let rest = publication.write(&delivery, &mut out);
                        out.extend_from_slice(&rest.unwrap_or_default());
                        assert_eq!(out.len(), publication.packet_bytes(&delivery));
                        let frame = take_packet(&mut out, 10_000).unwrap().unwrap();
                        let mut expected = properties.clone();
                        expected.fields_mut().subscription_identifiers = ids.to_vec();
                        expected.fields_mut().message_expiry_interval = Some(0x0102_0304);
                        let v5 = version == ProtocolVersion::V5;
                        let expected = Publish {
                            dup: delivery.dup,
                            qos,
                            retain: true,
                            topic: topic.clone(),
                            packet_id: (qos > QoS::AtMostOnce).then_some(0x1234),
                            properties: if v5 { expected } else { Properties::default() },
                            payload: payload.clone(),
                        };
                        assert_eq!(
                            Packet::decode(version, frame).unwrap(),
                            Packet::Publish(expected)
                        );
                    }
                }
            }
        }
    }
}
