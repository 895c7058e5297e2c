//! What is left of a message, and how much memory its lists may still take.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use super::WireError;

/// Memory that the lists of one message may take, their elements' own size counted. A byte or two on the wire make an
/// element of up to a hundred bytes here, so the bound of a frame does not bound its message: 40 MiB of empty topics
/// in a Produce request would be 2 GiB. The largest honest message is the Metadata of a cluster with 100,000 partitions:
/// 100,000 times 150 bytes for the partition and 7 times 4 for replicas, 18 MB.
pub(super) const LISTS_BYTES_MAX: usize = 32 << 20;

/// The bytes of a message that have not been read yet.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    lists_left_bytes: usize,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, lists_left_bytes: LISTS_BYTES_MAX }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Room for one more element of a list.
    pub(super) fn element<T>(&mut self) -> Result<(), WireError> {
        let left = self.lists_left_bytes.checked_sub(size_of::<T>());
        self.lists_left_bytes = left.ok_or(WireError::Lists { limit_bytes: LISTS_BYTES_MAX })?;
        Ok(())
    }

    /// Reads the next `length` bytes, which are there, as a message within the message.
    pub(super) fn within<T>(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<T, WireError> {
        let bytes = self.bytes.split_to(length);
        let mut inner = Self { bytes, lists_left_bytes: self.lists_left_bytes };
        let value = read(&mut inner);
        self.lists_left_bytes = inner.lists_left_bytes;
        value
    }
}

impl Deref for Reader {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Bytes {
        &mut self.bytes
    }
}
