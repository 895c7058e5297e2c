//! UNSUBSCRIBE (section 3.10).

use bytes::{BufMut, BytesMut};

use crate::primitive::{Reader, put_binary};
use crate::property::of;
use crate::{Properties, ProtocolVersion, TopicFilter, Violation};

/// A client wants no more of some messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Comes back with UNSUBACK.
    pub packet_id: u16,
    /// None in 3.1.1.
    pub properties: Properties,
    /// At least one.
    pub filters: Vec<TopicFilter>,
}

impl Unsubscribe {
    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let packet_id = reader.packet_id()?;
        let properties = match version {
            ProtocolVersion::V3 => Properties::default(),
            ProtocolVersion::V5 => Properties::read(&mut reader, of::UNSUBSCRIBE)?,
        };
        let mut filters = Vec::new();
        while !reader.is_empty() {
            filters.push(TopicFilter::new(reader.utf8()?)?);
        }
        if filters.is_empty() {
            return Err(Violation::protocol("UNSUBSCRIBE without a filter [MQTT-3.10.3-2]"));
        }
        Ok(Self { packet_id, properties, filters })
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version == ProtocolVersion::V5 {
            self.properties.write(out);
        }
        for filter in &self.filters {
            put_binary(out, filter.text().bytes());
        }
    }
}
