//! MQTT 3.1.1 and 5 without IO: packets and the rules of a connection, for both roles.
//!
//! ```
//! use bytes::BytesMut;
//! use klamm_mqtt_proto::packet::{Packet, Publish, take_packet};
//! use klamm_mqtt_proto::{ProtocolVersion, QoS};
//!
//! let publish = Publish::new("a/b", QoS::AtMostOnce, &b"21.5"[..])?;
//! let mut wire = BytesMut::new();
//! Packet::Publish(publish).encode(ProtocolVersion::V5, &mut wire);
//! let frame = take_packet(&mut wire, 1024)?.expect("a whole packet");
//! let Packet::Publish(read) = Packet::decode(ProtocolVersion::V5, frame)? else { panic!() };
//! assert_eq!(&read.payload[..], b"21.5");
//! # Ok::<(), klamm_mqtt_proto::Violation>(())
//! ```
//!
//! # Guarantees
//! - Topic names, payloads and properties are slices of what was received; nothing is copied.
//! - Whatever a peer sends is a packet or a [`Violation`], which knows what to tell the peer.
//! - A packet too large is refused from its length alone, before its bytes are buffered.
//!
//! # Non-goals
//! MQTT 3.1 and MQTT-SN. Sessions that outlive a connection are their keeper's business.
#![deny(missing_docs)]

mod error;
pub mod flow;
pub mod packet;
mod primitive;
mod property;
mod publication;
mod reason;
mod topic;

pub use error::Violation;
pub use primitive::{Utf8, VARIABLE_BYTE_INTEGER_MAX};
pub use property::{Fields, Properties};
pub use publication::{Delivery, Publication};
pub use reason::Reason;
pub use topic::{TopicFilter, check_topic_name};

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolVersion {
    /// 3.1.1, protocol level 4.
    V3,
    /// 5.0, protocol level 5.
    V5,
}

/// Quality of service (section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum QoS {
    /// 0
    #[default]
    AtMostOnce,
    /// 1
    AtLeastOnce,
    /// 2
    ExactlyOnce,
}

impl QoS {
    /// From its number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}
