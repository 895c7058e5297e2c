//! SUBSCRIBE (section 3.8).

use bytes::{BufMut, BytesMut};

use crate::primitive::{Reader, put_binary};
use crate::property::of;
use crate::{Properties, ProtocolVersion, QoS, TopicFilter, Violation};

/// A client wants messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Comes back with SUBACK.
    pub packet_id: u16,
    /// None in 3.1.1.
    pub properties: Properties,
    /// At least one.
    pub filters: Vec<SubscribeFilter>,
}

/// A filter and its options (section 3.8.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// Which messages.
    pub filter: TopicFilter,
    /// Most they are sent with.
    pub qos: QoS,
    /// Not those of the client itself (MQTT 5).
    pub no_local: bool,
    /// With the RETAIN flag they were published with (MQTT 5).
    pub retain_as_published: bool,
    /// What of retained messages (MQTT 5).
    pub retain_handling: RetainHandling,
}

/// Whether retained messages are sent when a subscription is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// Always.
    #[default]
    Send,
    /// When the subscription is new.
    SendIfNew,
    /// Never.
    DoNotSend,
}

impl SubscribeFilter {
    /// With the options of 3.1.1.
    pub fn new(filter: TopicFilter, qos: QoS) -> Self {
        Self {
            filter,
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }

    fn read(version: ProtocolVersion, reader: &mut Reader) -> Result<Self, Violation> {
        let filter = TopicFilter::new(reader.utf8()?)?;
        let options = reader.u8()?;
        let reserved = if version == ProtocolVersion::V3 { 0xfc } else { 0xc0 };
        if options & reserved != 0 {
            return Err(Violation::malformed("reserved subscription options [MQTT-3.8.3-5]"));
        }
        let qos = QoS::from_number(options & 3)
            .ok_or(Violation::malformed("subscription with QoS 3 [MQTT-3.8.3-5]"))?;
        let no_local = options & 0x04 != 0;
        if no_local && filter.share().is_some() {
            return Err(Violation::protocol("shared subscription with no local [MQTT-3.8.3-4]"));
        }
        let retain_handling = match options >> 4 & 3 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Violation::protocol("retain handling 3")),
        };
        let retain_as_published = options & 0x08 != 0;
        Ok(Self { filter, qos, no_local, retain_as_published, retain_handling })
    }

    fn options(&self, version: ProtocolVersion) -> u8 {
        let mut options = self.qos as u8;
        if version == ProtocolVersion::V5 {
            options |= u8::from(self.no_local) << 2
                | u8::from(self.retain_as_published) << 3
                | (self.retain_handling as u8) << 4;
        }
        options
    }
}

impl Subscribe {
    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let packet_id = reader.packet_id()?;
        let properties = match version {
            ProtocolVersion::V3 => Properties::default(),
            ProtocolVersion::V5 => Properties::read(&mut reader, of::SUBSCRIBE)?,
        };
        let mut filters = Vec::new();
        while !reader.is_empty() {
            filters.push(SubscribeFilter::read(version, &mut reader)?);
        }
        if filters.is_empty() {
            return Err(Violation::protocol("SUBSCRIBE without a filter [MQTT-3.8.3-2]"));
        }
        Ok(Self { packet_id, properties, filters })
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version == ProtocolVersion::V5 {
            self.properties.write(out);
        }
        for filter in &self.filters {
            put_binary(out, filter.filter.text().bytes());
            out.put_u8(filter.options(version));
        }
    }
}
