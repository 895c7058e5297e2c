//! UNSUBACK (section 3.11).

use bytes::{BufMut, BytesMut};

use crate::primitive::Reader;
use crate::property::of;
use crate::{Properties, ProtocolVersion, Reason, Violation};

/// The answer to UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsuback {
    /// Of the UNSUBSCRIBE.
    pub packet_id: u16,
    /// None in 3.1.1.
    pub properties: Properties,
    /// One for each filter, in order; none in 3.1.1.
    pub reasons: Vec<Reason>,
}

impl Unsuback {
    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let packet_id = reader.packet_id()?;
        if version == ProtocolVersion::V3 {
            reader.end()?;
            return Ok(Self { packet_id, properties: Properties::default(), reasons: Vec::new() });
        }
        let properties = Properties::read(&mut reader, of::UNSUBACK)?;
        let reasons = reader.0.iter().map(|code| Reason::from_number(*code));
        let reasons = reasons
            .collect::<Option<_>>()
            .ok_or(Violation::malformed("UNSUBACK with an unknown reason"))?;
        Ok(Self { packet_id, properties, reasons })
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version == ProtocolVersion::V5 {
            self.properties.write(out);
            self.reasons.iter().for_each(|reason| out.put_u8(*reason as u8));
        }
    }
}
