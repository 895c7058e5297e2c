//! Properties (MQTT 5.0 section 2.2.2): one type for all packets, each of which allows some of them.

use bytes::{BufMut, Bytes, BytesMut};

use crate::primitive::{Reader, put_binary, put_variable, variable_length};
use crate::{Utf8, Violation};

/// Packets that carry properties, as bits.
pub(crate) mod of {
    pub(crate) const CONNECT: u16 = 1;
    pub(crate) const CONNACK: u16 = 1 << 1;
    pub(crate) const PUBLISH: u16 = 1 << 2;
    pub(crate) const WILL: u16 = 1 << 3;
    pub(crate) const ACK: u16 = 1 << 4;
    pub(crate) const SUBSCRIBE: u16 = 1 << 5;
    pub(crate) const SUBACK: u16 = 1 << 6;
    pub(crate) const UNSUBSCRIBE: u16 = 1 << 7;
    pub(crate) const UNSUBACK: u16 = 1 << 8;
    pub(crate) const DISCONNECT: u16 = 1 << 9;
    pub(crate) const AUTH: u16 = 1 << 10;
}

/// A property's type on the wire.
trait Value: Sized {
    fn read(reader: &mut Reader) -> Result<Self, Violation>;
    fn write(&self, out: &mut BytesMut);
    fn length(&self) -> usize;
    /// Zero, where a property must not be.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Value for bool {
    fn read(reader: &mut Reader) -> Result<Self, Violation> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Violation::protocol("property that is neither 0 nor 1")),
        }
    }
    fn write(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }
    fn length(&self) -> usize {
        1
    }
}

impl Value for u16 {
    fn read(reader: &mut Reader) -> Result<Self, Violation> {
        reader.u16()
    }
    fn write(&self, out: &mut BytesMut) {
        out.put_u16(*self);
    }
    fn length(&self) -> usize {
        2
    }
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Value for u32 {
    fn read(reader: &mut Reader) -> Result<Self, Violation> {
        reader.u32()
    }
    fn write(&self, out: &mut BytesMut) {
        out.put_u32(*self);
    }
    fn length(&self) -> usize {
        4
    }
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Value for Utf8 {
    fn read(reader: &mut Reader) -> Result<Self, Violation> {
        reader.utf8()
    }
    fn write(&self, out: &mut BytesMut) {
        put_binary(out, self.bytes());
    }
    fn length(&self) -> usize {
        2 + self.len()
    }
}

impl Value for Bytes {
    fn read(reader: &mut Reader) -> Result<Self, Violation> {
        reader.binary()
    }
    fn write(&self, out: &mut BytesMut) {
        put_binary(out, self);
    }
    fn length(&self) -> usize {
        2 + self.len()
    }
}

const USER_PROPERTY: u8 = 0x26;
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;

macro_rules! properties {
    ($($id:literal $name:ident: $type:ty, $packets:expr $(, $not_zero:ident)?; $doc:literal)*) => {
        /// The properties of a packet; those absent take no room on the wire.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Fields {
            $(#[doc = $doc] pub $name: Option<$type>,)*
            /// Names and values in order, duplicates kept (section 3.1.2.11.8).
            pub user: Vec<(Utf8, Utf8)>,
            /// Identifiers of the subscriptions that a PUBLISH matched; at most one in SUBSCRIBE.
            pub subscription_identifiers: Vec<u32>,
        }

        impl Fields {
            fn read_one(&mut self, id: u8, packet: u16, reader: &mut Reader) -> Result<(), Violation> {
                const TWICE: Violation = Violation::protocol("property twice");
                match id {
                    $($id if packet & ($packets) != 0 => {
                        let value = <$type as Value>::read(reader)?;
                        $(let $not_zero = value.is_zero();
                        if $not_zero {
                            return Err(Violation::protocol(concat!(stringify!($name), " of 0")));
                        })?
                        if self.$name.replace(value).is_some() {
                            return Err(TWICE);
                        }
                    })*
                    USER_PROPERTY => self.user.push((reader.utf8()?, reader.utf8()?)),
                    SUBSCRIPTION_IDENTIFIER if packet & (of::PUBLISH | of::SUBSCRIBE) != 0 => {
                        match reader.variable()? {
                            0 => return Err(Violation::protocol("subscription identifier of 0")),
                            _ if packet == of::SUBSCRIBE && !self.subscription_identifiers.is_empty() => {
                                return Err(TWICE);
                            }
                            id => self.subscription_identifiers.push(id),
                        }
                    }
                    _ => return Err(Violation::malformed("property that the packet cannot have")),
                }
                Ok(())
            }

            fn length(&self) -> usize {
                let mut length = 0;
                $(length += self.$name.as_ref().map_or(0, |value| 1 + Value::length(value));)*
                for (name, value) in &self.user {
                    length += 1 + Value::length(name) + Value::length(value);
                }
                for id in &self.subscription_identifiers {
                    length += 1 + variable_length(*id);
                }
                length
            }

            fn write(&self, out: &mut BytesMut) {
                $(if let Some(value) = &self.$name {
                    out.put_u8($id);
                    value.write(out);
                })*
                for (name, value) in &self.user {
                    out.put_u8(USER_PROPERTY);
                    name.write(out);
                    value.write(out);
                }
                for id in &self.subscription_identifiers {
                    out.put_u8(SUBSCRIPTION_IDENTIFIER);
                    put_variable(out, *id);
                }
            }
        }
    };
}

properties! {
    0x01 payload_format_indicator: bool, of::PUBLISH | of::WILL; "The payload is UTF-8 text."
    0x02 message_expiry_interval: u32, of::PUBLISH | of::WILL; "Seconds the message is worth delivering."
    0x03 content_type: Utf8, of::PUBLISH | of::WILL; "What the payload is."
    0x08 response_topic: Utf8, of::PUBLISH | of::WILL; "Topic name for a response."
    0x09 correlation_data: Bytes, of::PUBLISH | of::WILL; "What tells responses apart."
    0x11 session_expiry_interval: u32, of::CONNECT | of::CONNACK | of::DISCONNECT; "Seconds the session outlives the connection."
    0x12 assigned_client_identifier: Utf8, of::CONNACK; "The identifier the server chose."
    0x13 server_keep_alive: u16, of::CONNACK; "Seconds, in place of the client's keep alive."
    0x15 authentication_method: Utf8, of::CONNECT | of::CONNACK | of::AUTH; "Name of the method (section 4.12)."
    0x16 authentication_data: Bytes, of::CONNECT | of::CONNACK | of::AUTH; "Data of the method."
    0x17 request_problem_information: bool, of::CONNECT; "Whether failures may carry reason strings and user properties."
    0x18 will_delay_interval: u32, of::WILL; "Seconds before the will is sent."
    0x19 request_response_information: bool, of::CONNECT; "Asks for response information."
    0x1a response_information: Utf8, of::CONNACK; "Basis for response topics."
    0x1c server_reference: Utf8, of::CONNACK | of::DISCONNECT; "Another server to use."
    0x1f reason_string: Utf8, of::CONNACK | of::ACK | of::SUBACK | of::UNSUBACK | of::DISCONNECT | of::AUTH; "For people."
    0x21 receive_maximum: u16, of::CONNECT | of::CONNACK, zero; "QoS 1 and 2 messages that may be unacknowledged."
    0x22 topic_alias_maximum: u16, of::CONNECT | of::CONNACK; "Highest topic alias taken."
    0x23 topic_alias: u16, of::PUBLISH; "Stands for a topic name."
    0x24 maximum_qos: bool, of::CONNACK; "QoS 1 (true) or 0 is the most that is offered."
    0x25 retain_available: bool, of::CONNACK; "Whether retained messages are offered."
    0x27 maximum_packet_size: u32, of::CONNECT | of::CONNACK, zero; "Bytes of the largest packet taken."
    0x28 wildcard_subscription_available: bool, of::CONNACK; "Whether filters may have wildcards."
    0x29 subscription_identifier_available: bool, of::CONNACK; "Whether subscriptions may have identifiers."
    0x2a shared_subscription_available: bool, of::CONNACK; "Whether subscriptions may be shared."
}

/// Properties, or none: a packet without them allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(Option<Box<Fields>>);

static NONE: std::sync::LazyLock<Fields> = std::sync::LazyLock::new(Fields::default);

impl std::ops::Deref for Properties {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl From<Fields> for Properties {
    fn from(fields: Fields) -> Self {
        if fields == *NONE { Self(None) } else { Self(Some(Box::new(fields))) }
    }
}

impl Properties {
    /// Room to set some.
    pub fn fields_mut(&mut self) -> &mut Fields {
        self.0.get_or_insert_default()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.as_deref().is_none_or(|fields| *fields == *NONE)
    }

    /// Reads length and properties of a packet.
    pub(crate) fn read(reader: &mut Reader, packet: u16) -> Result<Self, Violation> {
        let length = reader.variable()?;
        if length == 0 {
            return Ok(Self(None));
        }
        let mut slice = Reader(reader.take(length as usize)?);
        let mut fields = Box::<Fields>::default();
        while !slice.is_empty() {
            let id = slice.u8()?;
            fields.read_one(id, packet, &mut slice)?;
        }
        Ok(Self(Some(fields)))
    }

    /// Bytes they take, their length not counted.
    pub(crate) fn length(&self) -> usize {
        self.0.as_deref().map_or(0, Fields::length)
    }

    /// Writes length and properties.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_variable(out, self.length() as u32);
        self.write_fields(out);
    }

    pub(crate) fn write_fields(&self, out: &mut BytesMut) {
        if let Some(fields) = &self.0 {
            fields.write(out);
        }
    }
}
