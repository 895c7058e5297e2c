//! Primitive types of the protocol (Kafka protocol guide, "Protocol Primitive Types"), read from and written to
//! bytes. Flexible versions (KIP-482) use compact lengths and tagged fields.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::{Buf, BufMut, Bytes, BytesMut};

mod reader;

pub use reader::Reader;

/// Why bytes are no message, or a message has no bytes in a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end before the value does. The sender's fault; the connection is of no more use.
    #[error("message cut short")]
    Truncated,
    /// A length or count below null, or more than the bytes at hand can hold. The sender's fault.
    #[error("impossible length {0}")]
    Length(i64),
    /// Lists of so many small elements that they would take more memory than a message may. The sender's fault.
    #[error("message whose lists take more than {limit_bytes} bytes")]
    Lists {
        /// What a message may take.
        limit_bytes: usize,
    },
    /// Text that is not UTF-8. The sender's fault.
    #[error("text that is not UTF-8")]
    Utf8,
    /// Null where the field has none. The sender's fault.
    #[error("null where a value must be")]
    Null,
    /// Bytes left over after the message. The sender's fault.
    #[error("{0} bytes after the end of the message")]
    Trailing(usize),
    /// An API, or a version of it, that this crate does not know. The sender's fault.
    #[error("api {key} version {version} is not known")]
    Version {
        /// Number of the API.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// A field was set that the version cannot carry. The caller's fault.
    #[error("{field} cannot be sent in version {version}")]
    NotInVersion {
        /// Struct and field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
}

/// UTF-8 text that shares its bytes with the message it came in.
#[derive(Clone, Default)]
pub struct Str(Bytes);

impl Str {
    /// Checks UTF-8 once.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn new(bytes: Bytes) -> Result<Self, WireError> {
        std::str::from_utf8(&bytes).map_err(|_| WireError::Utf8)?;
        Ok(Self(bytes))
    }

    /// Text that lives as long as the program.
    pub fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked by every constructor")
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Sixteen bytes of a topic id (KIP-516); all zero for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// A version of a message, and whether it is a flexible one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub number: i16,
    /// Compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
}

/// What a message is made of.
pub trait Wire: Sized {
    /// Takes one from the front of what is left of a message.
    ///
    /// # Errors
    /// Whatever is wrong with the bytes; nothing is allocated for counts they do not bear out.
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError>;

    /// Takes one from the front of `bytes`, a message of its own.
    ///
    /// # Errors
    /// As [`Wire::read_from`]; what is left of the bytes then is of no more use.
    fn read(bytes: &mut Bytes, version: Version) -> Result<Self, WireError> {
        let mut reader = Reader::new(std::mem::take(bytes));
        let value = Self::read_from(&mut reader, version);
        *bytes = reader.into_bytes();
        value
    }

    /// Appends it.
    ///
    /// # Errors
    /// [`WireError::NotInVersion`] when a field is set that the version cannot carry.
    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError>;
}

macro_rules! number {
    ($($type:ty, $try_get:ident, $put:ident;)*) => {$(
        impl Wire for $type {
            fn read_from(bytes: &mut Reader, _: Version) -> Result<Self, WireError> {
                bytes.$try_get().map_err(|_| WireError::Truncated)
            }

            fn write(&self, out: &mut BytesMut, _: Version) -> Result<(), WireError> {
                out.$put(*self);
                Ok(())
            }
        }
    )*};
}

number! {
    i8, try_get_i8, put_i8;
    i16, try_get_i16, put_i16;
    u16, try_get_u16, put_u16;
    i32, try_get_i32, put_i32;
    i64, try_get_i64, put_i64;
}

/// A number with a fraction. Two are equal when their bits are, so that what is written is read back the same whatever it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Float64(pub f64);

impl PartialEq for Float64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float64 {}

impl Wire for Float64 {
    fn read_from(bytes: &mut Reader, _: Version) -> Result<Self, WireError> {
        bytes.try_get_f64().map(Self).map_err(|_| WireError::Truncated)
    }

    fn write(&self, out: &mut BytesMut, _: Version) -> Result<(), WireError> {
        out.put_f64(self.0);
        Ok(())
    }
}

impl Wire for bool {
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
        Ok(i8::read_from(bytes, version)? != 0)
    }

    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
        i8::from(*self).write(out, version)
    }
}

impl Wire for Uuid {
    fn read_from(bytes: &mut Reader, _: Version) -> Result<Self, WireError> {
        let mut id = [0; 16];
        bytes.try_copy_to_slice(&mut id).map_err(|_| WireError::Truncated)?;
        Ok(Self(id))
    }

    fn write(&self, out: &mut BytesMut, _: Version) -> Result<(), WireError> {
        out.put_slice(&self.0);
        Ok(())
    }
}

/// Reads an unsigned number of variable length, at most 32 bits.
pub(crate) fn uvarint(bytes: &mut Reader) -> Result<u32, WireError> {
    let mut value = 0_u32;
    for shift in (0..35).step_by(7) {
        let byte = bytes.try_get_u8().map_err(|_| WireError::Truncated)?;
        if shift == 28 && byte > 0x0f {
            break;
        }
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(WireError::Length(i64::from(u32::MAX)))
}

pub(crate) fn put_uvarint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// A length before text (`short`), bytes or an array; `None` for null. Each unit it counts takes at least a byte,
/// so it is never more than what is left.
fn length(bytes: &mut Reader, version: Version, short: bool) -> Result<Option<usize>, WireError> {
    let length = if version.flexible {
        i64::from(uvarint(bytes)?) - 1
    } else if short {
        i64::from(i16::read_from(bytes, version)?)
    } else {
        i64::from(i32::read_from(bytes, version)?)
    };
    match length {
        -1 => Ok(None),
        length if length >= 0 && length <= bytes.len() as i64 => Ok(Some(length as usize)),
        length => Err(WireError::Length(length)),
    }
}

fn put_length(
    out: &mut BytesMut,
    version: Version,
    short: bool,
    length: Option<usize>,
) -> Result<(), WireError> {
    let value = length.map_or(-1, |length| length as i64);
    let out_of_range = |_| WireError::Length(value);
    if version.flexible {
        put_uvarint(out, u32::try_from(value + 1).map_err(out_of_range)?);
    } else if short {
        out.put_i16(i16::try_from(value).map_err(out_of_range)?);
    } else {
        out.put_i32(i32::try_from(value).map_err(out_of_range)?);
    }
    Ok(())
}

impl Wire for Option<Str> {
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
        match length(bytes, version, true)? {
            Some(length) => Str::new(bytes.split_to(length)).map(Some),
            None => Ok(None),
        }
    }

    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
        put_length(out, version, true, self.as_ref().map(|text| text.len()))?;
        out.put_slice(self.as_ref().map_or(&[], |text| &text.0));
        Ok(())
    }
}

impl Wire for Option<Bytes> {
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
        Ok(length(bytes, version, false)?.map(|length| bytes.split_to(length)))
    }

    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
        put_length(out, version, false, self.as_ref().map(Bytes::len))?;
        out.put_slice(self.as_deref().unwrap_or_default());
        Ok(())
    }
}

macro_rules! never_null {
    ($($type:ty, $short:literal;)*) => {$(
        impl Wire for $type {
            fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
                Option::<Self>::read_from(bytes, version)?.ok_or(WireError::Null)
            }

            fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
                put_length(out, version, $short, Some(self.len()))?;
                out.put_slice(AsRef::<[u8]>::as_ref(self));
                Ok(())
            }
        }
    )*};
}

never_null! {
    Str, true;
    Bytes, false;
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Elements reserved before the first is read: a count that lies costs no more than this.
const RESERVED_MAX: usize = 64; // beyond it the list grows as elements really come

impl<T: Wire> Wire for Option<Vec<T>> {
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
        let Some(count) = length(bytes, version, false)? else { return Ok(None) };
        let mut list = Vec::with_capacity(count.min(RESERVED_MAX));
        for _ in 0..count {
            bytes.element::<T>()?;
            list.push(T::read_from(bytes, version)?);
        }
        Ok(Some(list))
    }

    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
        put_length(out, version, false, self.as_ref().map(Vec::len))?;
        self.iter().flatten().try_for_each(|element| element.write(out, version))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
        Option::<Self>::read_from(bytes, version)?.ok_or(WireError::Null)
    }

    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
        put_length(out, version, false, Some(self.len()))?;
        self.iter().try_for_each(|element| element.write(out, version))
    }
}

/// A struct that may be null: a byte -1 or 1 goes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nullable<T>(pub Option<T>);

impl<T> Default for Nullable<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Wire> Wire for Nullable<T> {
    fn read_from(bytes: &mut Reader, version: Version) -> Result<Self, WireError> {
        match i8::read_from(bytes, version)? {
            -1 => Ok(Self(None)),
            _ => T::read_from(bytes, version).map(|value| Self(Some(value))),
        }
    }

    fn write(&self, out: &mut BytesMut, version: Version) -> Result<(), WireError> {
        match &self.0 {
            None => (-1_i8).write(out, version),
            Some(value) => {
                1_i8.write(out, version)?;
                value.write(out, version)
            }
        }
    }
}

/// Reads the tagged fields at the end of a flexible struct, handing each known one to `known`, which answers whether
/// it took it; others are skipped, as KIP-482 asks.
pub(crate) fn read_tagged(
    bytes: &mut Reader,
    mut known: impl FnMut(u32, &mut Reader) -> Result<bool, WireError>,
) -> Result<(), WireError> {
    let count = uvarint(bytes)?;
    for _ in 0..count {
        let tag = uvarint(bytes)?;
        let size = uvarint(bytes)? as usize;
        if size > bytes.len() {
            return Err(WireError::Length(size as i64));
        }
        bytes.within(size, |field| match known(tag, field)? {
            true if !field.is_empty() => Err(WireError::Trailing(field.len())),
            _ => Ok(()),
        })?;
    }
    Ok(())
}

/// The tagged fields of a header, of which none is known here.
#[derive(Debug)]
pub(crate) struct NoTaggedFields;

impl Wire for NoTaggedFields {
    fn read_from(bytes: &mut Reader, _: Version) -> Result<Self, WireError> {
        read_tagged(bytes, |_, _| Ok(false)).map(|()| Self)
    }

    fn write(&self, out: &mut BytesMut, _: Version) -> Result<(), WireError> {
        write_tagged(out, &[]);
        Ok(())
    }
}

/// Writes tagged fields, each already in bytes, in the order of their tags.
pub(crate) fn write_tagged(out: &mut BytesMut, fields: &[(u32, BytesMut)]) {
    put_uvarint(out, fields.len() as u32);
    for (tag, bytes) in fields {
        put_uvarint(out, *tag);
        put_uvarint(out, bytes.len() as u32);
        out.put_slice(bytes);
    }
}
