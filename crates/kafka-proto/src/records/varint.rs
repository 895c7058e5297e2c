//! Variable-length integers of records: base 128, least significant group first, zigzag for signed ones.

use super::BatchError;

/// A cursor over a batch's records.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn u8(&mut self) -> Result<u8, BatchError> {
        let byte = *self.bytes.get(self.at).ok_or(BatchError::Field("record length"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), BatchError> {
        if count > self.remaining() {
            return Err(BatchError::Field("record length"));
        }
        self.at += count;
        Ok(())
    }

    pub(super) fn varlong(&mut self) -> Result<i64, BatchError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(BatchError::Field("variable-length number"))
    }

    pub(super) fn varint(&mut self) -> Result<i32, BatchError> {
        i32::try_from(self.varlong()?).map_err(|_| BatchError::Field("variable-length number"))
    }

    /// A length, or `None` for null (-1).
    pub(super) fn length(&mut self) -> Result<Option<usize>, BatchError> {
        match self.varint()? {
            -1 => Ok(None),
            length if length >= 0 && length as usize <= self.remaining() => {
                Ok(Some(length as usize))
            }
            _ => Err(BatchError::Field("field length")),
        }
    }
}

/// Appends a signed number.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes that [`put`] appends.
pub(super) fn length(value: i64) -> usize {
    let zigzag = (value << 1 ^ value >> 63) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: i64) {
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), length(value));
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.varlong().unwrap(), value);
            prop_assert_eq!(cursor.remaining(), 0);
        }
    }

    #[test]
    fn endless_number_is_refused() {
        assert!(Cursor::new(&[0xff; 20]).varlong().is_err());
        assert!(Cursor::new(&[0x80]).varlong().is_err());
    }
}
