//! CONNECT (section 3.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::primitive::{Reader, put_binary};
use crate::property::of;
use crate::{Properties, ProtocolVersion, QoS, Reason, Utf8, Violation, check_topic_name};

/// A client's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The protocol of everything that follows.
    pub version: ProtocolVersion,
    /// Begin without what an earlier session left.
    pub clean_start: bool,
    /// Seconds; 0 for none.
    pub keep_alive: u16,
    /// What the client asks for; none in 3.1.1.
    pub properties: Properties,
    /// May be empty: the server chooses then.
    pub client_id: Utf8,
    /// A message to send when the connection breaks.
    pub will: Option<Will>,
    /// Who it is.
    pub user_name: Option<Utf8>,
    /// Its secret.
    pub password: Option<Bytes>,
}

/// A will message (section 3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Topic name.
    pub topic: Utf8,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// To be retained.
    pub retain: bool,
    /// Its properties; none in 3.1.1.
    pub properties: Properties,
}

impl Connect {
    /// Of a client that begins anew, without will or credentials.
    pub fn new(version: ProtocolVersion, client_id: Utf8) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 60,
            properties: Properties::default(),
            client_id,
            will: None,
            user_name: None,
            password: None,
        }
    }

    pub(super) fn read(mut reader: Reader) -> Result<Self, Violation> {
        let name = reader.binary()?;
        let level = reader.u8()?;
        let version = match (&name[..], level) {
            (b"MQTT", 4) => ProtocolVersion::V3,
            (b"MQTT", 5) => ProtocolVersion::V5,
            (b"MQTT" | b"MQIsdp", _) => {
                let what = "protocol version that is not served [MQTT-3.1.2-2]";
                return Err(Violation::with(Reason::UnsupportedProtocolVersion, what));
            }
            _ => {
                let what = "protocol name that is not MQTT [MQTT-3.1.2-1]";
                return Err(Violation::with(Reason::UnsupportedProtocolVersion, what));
            }
        };
        let flags = reader.u8()?;
        check_flags(version, flags)?;
        let keep_alive = reader.u16()?;
        let v5 = version == ProtocolVersion::V5;
        let properties =
            if v5 { Properties::read(&mut reader, of::CONNECT)? } else { Properties::default() };
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(Violation::protocol("authentication data without a method"));
        }
        let client_id = reader.utf8()?;
        if !v5 && client_id.is_empty() && flags & 0x02 == 0 {
            let what = "empty client identifier with clean session 0 [MQTT-3.1.3-8]";
            return Err(Violation::with(Reason::ClientIdentifierNotValid, what));
        }
        let will = if flags & 0x04 != 0 { Some(Will::read(v5, flags, &mut reader)?) } else { None };
        let user_name = if flags & 0x80 != 0 { Some(reader.utf8()?) } else { None };
        let password = if flags & 0x40 != 0 { Some(reader.binary()?) } else { None };
        reader.end()?;
        let clean_start = flags & 0x02 != 0;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        let v5 = self.version == ProtocolVersion::V5;
        put_binary(out, b"MQTT");
        out.put_u8(if v5 { 5 } else { 4 });
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| 0x04 | (will.qos as u8) << 3 | if will.retain { 0x20 } else { 0 });
        let flags = will
            | if self.clean_start { 0x02 } else { 0 }
            | if self.user_name.is_some() { 0x80 } else { 0 }
            | if self.password.is_some() { 0x40 } else { 0 };
        out.put_u8(flags);
        out.put_u16(self.keep_alive);
        if v5 {
            self.properties.write(out);
        }
        put_binary(out, self.client_id.bytes());
        if let Some(will) = &self.will {
            if v5 {
                will.properties.write(out);
            }
            put_binary(out, will.topic.bytes());
            put_binary(out, &will.payload);
        }
        if let Some(user_name) = &self.user_name {
            put_binary(out, user_name.bytes());
        }
        if let Some(password) = &self.password {
            put_binary(out, password);
        }
    }
}

fn check_flags(version: ProtocolVersion, flags: u8) -> Result<(), Violation> {
    if flags & 0x01 != 0 {
        return Err(Violation::malformed("reserved connect flag [MQTT-3.1.2-3]"));
    }
    if flags & 0x18 == 0x18 {
        return Err(Violation::malformed("will QoS 3 [MQTT-3.1.2-12]"));
    }
    if flags & 0x04 == 0 && flags & 0x38 != 0 {
        return Err(Violation::malformed("will flags without a will [MQTT-3.1.2-11]"));
    }
    if version == ProtocolVersion::V3 && flags & 0xc0 == 0x40 {
        return Err(Violation::malformed("password without user name [MQTT-3.1.2-22]"));
    }
    Ok(())
}

impl Will {
    fn read(v5: bool, flags: u8, reader: &mut Reader) -> Result<Self, Violation> {
        let properties =
            if v5 { Properties::read(reader, of::WILL)? } else { Properties::default() };
        let topic = reader.utf8()?;
        check_topic_name(&topic)?;
        Ok(Self {
            topic,
            payload: reader.binary()?,
            qos: QoS::from_number(flags >> 3 & 3)
                .ok_or(Violation::malformed("will QoS 3 [MQTT-3.1.2-12]"))?,
            retain: flags & 0x20 != 0,
            properties,
        })
    }
}
