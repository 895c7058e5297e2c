//! AUTH (section 3.15).

use bytes::{BufMut, BytesMut};

use crate::primitive::Reader;
use crate::property::of;
use crate::{Properties, Reason, Violation};

/// A step of an extended authentication (section 4.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Success, continue or re-authenticate.
    pub reason: Reason,
    /// Method and data.
    pub properties: Properties,
}

impl Auth {
    pub(super) fn read(mut reader: Reader) -> Result<Self, Violation> {
        if reader.is_empty() {
            return Ok(Self { reason: Reason::Success, properties: Properties::default() });
        }
        let unknown = Violation::malformed("AUTH with an unknown reason [MQTT-3.15.2-1]");
        let reason = Reason::from_number(reader.u8()?).ok_or(unknown)?;
        let allowed = [Reason::Success, Reason::ContinueAuthentication, Reason::ReAuthenticate];
        if !allowed.contains(&reason) {
            return Err(unknown);
        }
        let properties = if reader.is_empty() {
            Properties::default()
        } else {
            Properties::read(&mut reader, of::AUTH)?
        };
        reader.end()?;
        Ok(Self { reason, properties })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        if self.reason != Reason::Success || !self.properties.is_empty() {
            out.put_u8(self.reason as u8);
            self.properties.write(out);
        }
    }
}
