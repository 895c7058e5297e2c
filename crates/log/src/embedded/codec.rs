//! Reading the log's own structures: big-endian numbers, and lists and texts with their lengths before them.

use std::collections::BTreeMap;

use bytes::BufMut;

use crate::LogError;

/// A cursor over bytes whose checksum was good: what does not parse is a bug or another version's.
#[derive(Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let (found, rest) = self.bytes.split_first_chunk().ok_or_else(|| self.corrupt())?;
        self.bytes = rest;
        Ok(*found)
    }

    pub(super) fn corrupt(&self) -> LogError {
        LogError::Corrupt(format!("{} ends too early or holds what it cannot", self.what))
    }

    pub(super) fn u8(&mut self) -> Result<u8, LogError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, LogError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, LogError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i16(&mut self) -> Result<i16, LogError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, LogError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, LogError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(super) fn uuid(&mut self) -> Result<uuid::Uuid, LogError> {
        Ok(uuid::Uuid::from_bytes(self.array()?))
    }

    pub(super) fn text(&mut self) -> Result<String, LogError> {
        let length = self.u32()? as usize;
        let (found, rest) = self.bytes.split_at_checked(length).ok_or_else(|| self.corrupt())?;
        self.bytes = rest;
        String::from_utf8(found.to_vec()).map_err(|_| self.corrupt())
    }

    /// A list; each of its items takes at least one byte.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, LogError>,
    ) -> Result<Vec<T>, LogError> {
        let count = self.u32()? as usize;
        if count > self.bytes.len() {
            return Err(self.corrupt());
        }
        (0..count).map(|_| item(self)).collect()
    }

    pub(super) fn texts(&mut self) -> Result<BTreeMap<String, String>, LogError> {
        Ok(self.list(|input| Ok((input.text()?, input.text()?)))?.into_iter().collect())
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u32(text.len() as u32);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_list<T>(
    out: &mut Vec<u8>,
    items: impl ExactSizeIterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    out.put_u32(items.len() as u32);
    items.for_each(|item| put(out, item));
}

pub(super) fn put_texts(out: &mut Vec<u8>, texts: &BTreeMap<String, String>) {
    put_list(out, texts.iter(), |out, (name, value)| {
        put_text(out, name);
        put_text(out, value);
    });
}
