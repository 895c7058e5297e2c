//! SUBACK (section 3.9).

use bytes::{BufMut, BytesMut};

use crate::primitive::Reader;
use crate::property::of;
use crate::{Properties, ProtocolVersion, Reason, Violation};

/// The answer to SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suback {
    /// Of the SUBSCRIBE.
    pub packet_id: u16,
    /// None in 3.1.1.
    pub properties: Properties,
    /// One for each filter, in order. In 3.1.1 every failure is 0x80.
    pub reasons: Vec<Reason>,
}

impl Suback {
    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let packet_id = reader.packet_id()?;
        let properties = match version {
            ProtocolVersion::V3 => Properties::default(),
            ProtocolVersion::V5 => Properties::read(&mut reader, of::SUBACK)?,
        };
        let reasons = reader.0.iter().map(|code| match version {
            // Only these four in 3.1.1 [MQTT-3.9.3-2].
            ProtocolVersion::V3 if !matches!(code, 0..=2 | 0x80) => None,
            _ => Reason::from_number(*code),
        });
        let reasons = reasons
            .collect::<Option<_>>()
            .ok_or(Violation::malformed("SUBACK with an unknown reason"))?;
        Ok(Self { packet_id, properties, reasons })
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version == ProtocolVersion::V5 {
            self.properties.write(out);
        }
        for reason in &self.reasons {
            let plain = version == ProtocolVersion::V3 && reason.is_failure();
            out.put_u8(if plain { 0x80 } else { *reason as u8 });
        }
    }
}
