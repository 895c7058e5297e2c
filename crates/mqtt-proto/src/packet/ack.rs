//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7), which have one shape.

use bytes::{BufMut, BytesMut};

use crate::primitive::Reader;
use crate::property::of;
use crate::{Properties, ProtocolVersion, Reason, Violation};

/// A step in the delivery of a QoS 1 or 2 message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Of the message.
    pub packet_id: u16,
    /// How it went; always success in 3.1.1.
    pub reason: Reason,
    /// None in 3.1.1.
    pub properties: Properties,
}

impl Ack {
    /// Without properties.
    pub fn new(packet_id: u16, reason: Reason) -> Self {
        Self { packet_id, reason, properties: Properties::default() }
    }

    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let mut ack = Self::new(reader.packet_id()?, Reason::Success);
        if version == ProtocolVersion::V5 && !reader.is_empty() {
            // Reason and properties may be left out from the end (section 3.4.2.1).
            ack.reason = Reason::from_number(reader.u8()?)
                .ok_or(Violation::malformed("acknowledgement with an unknown reason"))?;
            if !reader.is_empty() {
                ack.properties = Properties::read(&mut reader, of::ACK)?;
            }
        }
        reader.end()?;
        Ok(ack)
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version == ProtocolVersion::V3 {
            return;
        }
        if self.reason != Reason::Success || !self.properties.is_empty() {
            out.put_u8(self.reason as u8);
        }
        if !self.properties.is_empty() {
            self.properties.write(out);
        }
    }
}
