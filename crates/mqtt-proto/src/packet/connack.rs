//! CONNACK (section 3.2).

use bytes::{BufMut, BytesMut};

use crate::primitive::Reader;
use crate::property::of;
use crate::{Properties, ProtocolVersion, Reason, Violation};

/// The server's answer to CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connack {
    /// The server goes on with an earlier session.
    pub session_present: bool,
    /// Success, or why not. In 3.1.1 the return code that comes nearest.
    pub reason: Reason,
    /// What the server offers; none in 3.1.1.
    pub properties: Properties,
}

impl Connack {
    pub(super) fn read(version: ProtocolVersion, mut reader: Reader) -> Result<Self, Violation> {
        let flags = reader.u8()?;
        if flags > 1 {
            return Err(Violation::malformed("reserved CONNACK flags [MQTT-3.2.2-1]"));
        }
        let code = reader.u8()?;
        let unknown = Violation::malformed("CONNACK with an unknown reason");
        let (reason, properties) = match version {
            ProtocolVersion::V3 => (from_return_code(code).ok_or(unknown)?, Properties::default()),
            ProtocolVersion::V5 => (
                Reason::from_number(code).ok_or(unknown)?,
                Properties::read(&mut reader, of::CONNACK)?,
            ),
        };
        reader.end()?;
        Ok(Self { session_present: flags == 1, reason, properties })
    }

    pub(super) fn write(&self, version: ProtocolVersion, out: &mut BytesMut) {
        out.put_u8(u8::from(self.session_present));
        match version {
            ProtocolVersion::V3 => out.put_u8(self.reason.connect_return_code()),
            ProtocolVersion::V5 => {
                out.put_u8(self.reason as u8);
                self.properties.write(out);
            }
        }
    }
}

/// MQTT 3.1.1 table 3.1.
fn from_return_code(code: u8) -> Option<Reason> {
    Some(match code {
        0 => Reason::Success,
        1 => Reason::UnsupportedProtocolVersion,
        2 => Reason::ClientIdentifierNotValid,
        3 => Reason::ServerUnavailable,
        4 => Reason::BadUserNameOrPassword,
        5 => Reason::NotAuthorized,
        _ => return None,
    })
}
