//! DISCONNECT (section 3.14).

use bytes::{BufMut, BytesMut};

use crate::primitive::Reader;
use crate::property::of;
use crate::{Properties, ProtocolVersion, Reason, Violation};

/// The last packet of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Why; always success in 3.1.1.
    pub reason: Reason,
    /// None in 3.1.1.
    pub properties: Properties,
}

impl Disconnect {
    /// Without properties.
    pub fn new(reason: Reason) -> Self {
        Self { reason, properties: Properties::default() }
    }

    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let mut disconnect = Self::new(Reason::Success);
        if version == ProtocolVersion::V5 && !reader.is_empty() {
            disconnect.reason = Reason::from_number(reader.u8()?)
                .ok_or(Violation::malformed("DISCONNECT with an unknown reason"))?;
            if !reader.is_empty() {
                disconnect.properties = Properties::read(&mut reader, of::DISCONNECT)?;
            }
        }
        reader.end()?;
        Ok(disconnect)
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
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
