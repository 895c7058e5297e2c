//! Data representation (MQTT 5.0 section 1.5).

use std::fmt;
use std::ops::Deref;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::Violation;

/// Largest variable byte integer [MQTT-1.5.5-1]: four groups of seven bits.
pub const VARIABLE_BYTE_INTEGER_MAX: u32 = 268_435_455; // 2^28 - 1

/// A UTF-8 string of at most 65,535 bytes without U+0000 (section 1.5.4), a slice of the packet it came in.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Utf8(Bytes);

impl Utf8 {
    /// Checks the bytes.
    ///
    /// # Errors
    /// Too long, not UTF-8 [MQTT-1.5.4-1], or with U+0000 [MQTT-1.5.4-2].
    pub fn new(bytes: Bytes) -> Result<Self, Violation> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(Violation::malformed("string of more than 65,535 bytes"));
        }
        match std::str::from_utf8(&bytes) {
            Err(_) => Err(Violation::malformed("string that is not UTF-8 [MQTT-1.5.4-1]")),
            Ok(text) if text.contains('\0') => {
                Err(Violation::malformed("string with U+0000 [MQTT-1.5.4-2]"))
            }
            Ok(_) => Ok(Self(bytes)),
        }
    }

    /// Checks a text.
    ///
    /// # Errors
    /// As [`Utf8::new`].
    pub fn from_text(text: &str) -> Result<Self, Violation> {
        Self::new(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked by every constructor")
    }

    /// Bytes of the text.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for Utf8 {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Takes values off the front of a packet's body.
#[derive(Debug, Clone)]
pub(crate) struct Reader(pub(crate) Bytes);

const SHORT: Violation = Violation::malformed("packet shorter than its fields");

impl Reader {
    pub(crate) fn u8(&mut self) -> Result<u8, Violation> {
        self.0.try_get_u8().map_err(|_| SHORT)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Violation> {
        self.0.try_get_u16().map_err(|_| SHORT)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Violation> {
        self.0.try_get_u32().map_err(|_| SHORT)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes, Violation> {
        if length > self.0.len() { Err(SHORT) } else { Ok(self.0.split_to(length)) }
    }

    pub(crate) fn binary(&mut self) -> Result<Bytes, Violation> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(crate) fn utf8(&mut self) -> Result<Utf8, Violation> {
        Utf8::new(self.binary()?)
    }

    pub(crate) fn variable(&mut self) -> Result<u32, Violation> {
        let (value, length) = variable(&self.0)?.ok_or(SHORT)?;
        self.0.advance(length);
        Ok(value)
    }

    pub(crate) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::malformed("packet identifier 0 [MQTT-2.2.1-3]")),
            id => Ok(id),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn end(&self) -> Result<(), Violation> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Violation::malformed("packet longer than its fields"))
        }
    }
}

/// The variable byte integer at the front and its length; `None` when it is not whole yet.
pub(crate) fn variable(bytes: &[u8]) -> Result<Option<(u32, usize)>, Violation> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if index > 0 && *byte == 0 {
                return Err(Violation::malformed(
                    "length in more bytes than it needs [MQTT-1.5.5-1]",
                ));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Violation::malformed("length of more than four bytes"));
    }
    Ok(None)
}

pub(crate) fn put_variable(out: &mut BytesMut, mut value: u32) {
    debug_assert!(value <= VARIABLE_BYTE_INTEGER_MAX);
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

pub(crate) fn variable_length(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

pub(crate) fn put_binary(out: &mut BytesMut, bytes: &[u8]) {
    // Every field that comes here was bounded when it was made.
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put_slice(&bytes[..bytes.len().min(usize::from(u16::MAX))]);
}
