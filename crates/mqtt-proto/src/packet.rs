//! The fifteen control packets (MQTT 5.0 section 3), a file each.
//!
//! ```text
//! type and flags | remaining length (1 to 4 bytes) | variable header | payload
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::primitive::{variable, variable_length};
use crate::{ProtocolVersion, Reason, Violation};

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod publish;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::Connack;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use publish::Publish;
pub use suback::Suback;
pub use subscribe::{RetainHandling, Subscribe, SubscribeFilter};
pub use unsuback::Unsuback;
pub use unsubscribe::Unsubscribe;

/// A control packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Section 3.1.
    Connect(Box<Connect>),
    /// Section 3.2.
    Connack(Connack),
    /// Section 3.3.
    Publish(Publish),
    /// Section 3.4.
    Puback(Ack),
    /// Section 3.5.
    Pubrec(Ack),
    /// Section 3.6.
    Pubrel(Ack),
    /// Section 3.7.
    Pubcomp(Ack),
    /// Section 3.8.
    Subscribe(Subscribe),
    /// Section 3.9.
    Suback(Suback),
    /// Section 3.10.
    Unsubscribe(Unsubscribe),
    /// Section 3.11.
    Unsuback(Unsuback),
    /// Section 3.12.
    Pingreq,
    /// Section 3.13.
    Pingresp,
    /// Section 3.14.
    Disconnect(Disconnect),
    /// Section 3.15; MQTT 5 only.
    Auth(Auth),
}

/// A packet still to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Type in the upper four bits, flags in the lower.
    pub first: u8,
    /// What follows the remaining length.
    pub body: Bytes,
}

/// Takes one packet off the front of what has been received; `None` while it is not whole. `limit_bytes` bounds the
/// whole packet, and is held against its length before its bytes are there.
///
/// # Errors
/// A length that is malformed or above the limit.
pub fn take_packet(
    received: &mut BytesMut,
    limit_bytes: usize,
) -> Result<Option<Frame>, Violation> {
    let Some(first) = received.first().copied() else { return Ok(None) };
    let Some((length, length_bytes)) = variable(&received[1..])? else { return Ok(None) };
    let total = 1 + length_bytes + length as usize;
    if total > limit_bytes {
        let what = "packet above the maximum packet size [MQTT-3.2.2-15]";
        return Err(Violation::with(Reason::PacketTooLarge, what));
    }
    if received.len() < total {
        return Ok(None);
    }
    let mut packet = received.split_to(total).freeze();
    packet.advance(1 + length_bytes);
    Ok(Some(Frame { first, body: packet }))
}

impl Packet {
    /// Reads a packet. CONNECT brings its own version.
    ///
    /// # Errors
    /// Whatever breaks the specification.
    pub fn decode(version: ProtocolVersion, frame: Frame) -> Result<Self, Violation> {
        let flags = frame.first & 0x0f;
        let kind = frame.first >> 4;
        // Flags other than PUBLISH's are fixed [MQTT-2.1.3-1].
        let fixed = match kind {
            3 => flags,
            6 | 8 | 10 => 2,
            _ => 0,
        };
        if flags != fixed {
            return Err(Violation::malformed("reserved flags [MQTT-2.1.3-1]"));
        }
        let reader = crate::primitive::Reader(frame.body);
        match kind {
            1 => Connect::read(reader).map(Box::new).map(Self::Connect),
            2 => Connack::read(version, reader).map(Self::Connack),
            3 => Publish::read(version, flags, reader).map(Self::Publish),
            4 => Ack::read(version, reader).map(Self::Puback),
            5 => Ack::read(version, reader).map(Self::Pubrec),
            6 => Ack::read(version, reader).map(Self::Pubrel),
            7 => Ack::read(version, reader).map(Self::Pubcomp),
            8 => Subscribe::read(version, reader).map(Self::Subscribe),
            9 => Suback::read(version, reader).map(Self::Suback),
            10 => Unsubscribe::read(version, reader).map(Self::Unsubscribe),
            11 => Unsuback::read(version, reader).map(Self::Unsuback),
            12 => reader.end().map(|()| Self::Pingreq),
            13 => reader.end().map(|()| Self::Pingresp),
            14 => Disconnect::read(version, reader).map(Self::Disconnect),
            15 if version == ProtocolVersion::V5 => Auth::read(reader).map(Self::Auth),
            _ => Err(Violation::malformed("packet type that is not there")),
        }
    }

    /// Appends the packet. What the version cannot carry (properties, reason codes) is left out.
    pub fn encode(&self, version: ProtocolVersion, out: &mut BytesMut) {
        match self {
            Self::Connect(connect) => framed(out, 0x10, |out| connect.write(out)),
            Self::Connack(connack) => framed(out, 0x20, |out| connack.write(version, out)),
            Self::Publish(publish) => {
                framed(out, publish.first_byte(), |out| publish.write(version, out));
            }
            Self::Puback(ack) => framed(out, 0x40, |out| ack.write(version, out)),
            Self::Pubrec(ack) => framed(out, 0x50, |out| ack.write(version, out)),
            Self::Pubrel(ack) => framed(out, 0x62, |out| ack.write(version, out)),
            Self::Pubcomp(ack) => framed(out, 0x70, |out| ack.write(version, out)),
            Self::Subscribe(subscribe) => framed(out, 0x82, |out| subscribe.write(version, out)),
            Self::Suback(suback) => framed(out, 0x90, |out| suback.write(version, out)),
            Self::Unsubscribe(packet) => framed(out, 0xa2, |out| packet.write(version, out)),
            Self::Unsuback(unsuback) => framed(out, 0xb0, |out| unsuback.write(version, out)),
            Self::Pingreq => out.put_slice(&[0xc0, 0]),
            Self::Pingresp => out.put_slice(&[0xd0, 0]),
            Self::Disconnect(packet) => framed(out, 0xe0, |out| packet.write(version, out)),
            Self::Auth(auth) => framed(out, 0xf0, |out| auth.write(out)),
        }
    }
}

/// Writes a body with first byte and remaining length before it. Most bodies are shorter than 128 bytes: the length gets
/// one byte, and a longer body is moved.
fn framed(out: &mut BytesMut, first: u8, write: impl FnOnce(&mut BytesMut)) {
    out.put_slice(&[first, 0]);
    let from = out.len();
    write(out);
    let length = out.len() - from;
    let more = variable_length(length as u32) - 1;
    if more > 0 {
        out.put_bytes(0, more);
        out.copy_within(from..from + length, from + more);
    }
    let mut rest = length as u32;
    for byte in &mut out[from - 1..from + more] {
        *byte = rest as u8 & 0x7f | if rest >= 0x80 { 0x80 } else { 0 };
        rest >>= 7;
    }
}

#[cfg(test)]
mod tests;
