//! PUBLISH (section 3.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::primitive::{Reader, put_binary};
use crate::property::of;
use crate::{Properties, ProtocolVersion, QoS, Utf8, Violation, check_topic_name};

/// An application message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Sent before.
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// To be retained (from a client), or was retained (from a server).
    pub retain: bool,
    /// Topic name; empty when a topic alias stands for it (MQTT 5).
    pub topic: Utf8,
    /// Present for QoS 1 and 2 [MQTT-2.2.1-2].
    pub packet_id: Option<u16>,
    /// None in 3.1.1.
    pub properties: Properties,
    /// The message.
    pub payload: Bytes,
}

impl Publish {
    /// A message without properties; the packet identifier is set when it is sent.
    ///
    /// # Errors
    /// A topic name that cannot be.
    pub fn new(topic: &str, qos: QoS, payload: impl Into<Bytes>) -> Result<Self, Violation> {
        check_topic_name(topic)?;
        Ok(Self {
            dup: false,
            qos,
            retain: false,
            topic: Utf8::from_text(topic)?,
            packet_id: None,
            properties: Properties::default(),
            payload: payload.into(),
        })
    }

    pub(super) fn first_byte(&self) -> u8 {
        0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain)
    }

    pub(super) fn read(
        version: ProtocolVersion,
        flags: u8,
        mut reader: Reader,
    ) -> Result<Self, Violation> {
        let qos =
            QoS::from_number(flags >> 1 & 3).ok_or(Violation::malformed("QoS 3 [MQTT-3.3.1-4]"))?;
        let dup = flags & 0x08 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(Violation::malformed("DUP with QoS 0 [MQTT-3.3.1-2]"));
        }
        let topic = reader.utf8()?;
        let packet_id = if qos > QoS::AtMostOnce { Some(reader.packet_id()?) } else { None };
        let properties = match version {
            ProtocolVersion::V3 => Properties::default(),
            ProtocolVersion::V5 => Properties::read(&mut reader, of::PUBLISH)?,
        };
        if !(topic.is_empty() && properties.topic_alias.is_some()) {
            check_topic_name(&topic)?;
        }
        if let Some(response) = &properties.response_topic {
            check_topic_name(response)?;
        }
        let retain = flags & 0x01 != 0;
        Ok(Self { dup, qos, retain, topic, packet_id, properties, payload: reader.0 })
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        put_binary(out, self.topic.bytes());
        if self.qos > QoS::AtMostOnce {
            out.put_u16(self.packet_id.unwrap_or_default());
        }
        if version == ProtocolVersion::V5 {
            self.properties.write(out);
        }
        out.put_slice(&self.payload);
    }
}
