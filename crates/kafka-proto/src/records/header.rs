//! The fixed 61-byte header of a record batch v2.
//!
//! ```text
//!  0 baseOffset i64 | 8 batchLength i32 | 12 partitionLeaderEpoch i32 | 16 magic i8 | 17 crc u32
//! 21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64
//! 43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32 | 57 records count i32 | 61 ...
//! ```
//!
//! The CRC-32C covers everything from `attributes` on, so a log may set `baseOffset` and
//! `partitionLeaderEpoch` of a client's batch without touching the rest.

use bytes::{Buf, BufMut};

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 61;

/// `batchLength` counts the bytes that follow it: the header less base offset and length itself.
const LENGTH_BEFORE: usize = 12;
/// The CRC covers the bytes from here on.
const CRC_FROM: usize = 21;

/// Why bytes are not a record batch that this log can take. The fault is the sender's in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Fewer bytes than the header or `batchLength` says. Not retryable; `CORRUPT_MESSAGE` on the wire.
    #[error("record batch cut short: {have} bytes of {need}")]
    Truncated {
        /// Bytes at hand.
        have: usize,
        /// Bytes the batch needs.
        need: usize,
    },
    /// `magic` is not 2. Not retryable; `UNSUPPORTED_FOR_MESSAGE_FORMAT` on the wire.
    #[error("record batch format {0}; only format 2 is taken")]
    Magic(i8),
    /// A field that contradicts another. Not retryable; `INVALID_RECORD` on the wire.
    #[error("record batch with an impossible {0}")]
    Field(&'static str),
    /// The bytes are not those the sender summed up. Retryable; `CORRUPT_MESSAGE` on the wire.
    #[error("record batch with crc {stored:#010x} whose bytes have {computed:#010x}")]
    Crc {
        /// The header's sum.
        stored: u32,
        /// The sum of the bytes at hand.
        computed: u32,
    },
    /// Compressed records unpack to more than is allowed. Not retryable; `RECORD_LIST_TOO_LARGE` on the wire.
    #[error("record batch that unpacks to more than {limit_bytes} bytes")]
    Unpacked {
        /// What is allowed.
        limit_bytes: usize,
    },
}

/// The codec of a batch's records: bits 0 to 2 of its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of the Java library.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// The `attributes` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec, or the number that names none.
    pub fn compression(self) -> Result<Compression, BatchError> {
        match self.0 & 0b111 {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            _ => Err(BatchError::Field("compression codec")),
        }
    }

    /// Timestamps are the log's (`LogAppendTime`) and not the producer's.
    pub fn is_log_append_time(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// The batch belongs to a transaction (KIP-98).
    pub fn is_transactional(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// The batch holds a control record, such as a commit marker (KIP-98).
    pub fn is_control(self) -> bool {
        self.0 & 1 << 5 != 0
    }
}

/// The header of a record batch. Offsets and counts in records, timestamps in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes after this field: the whole batch less 12.
    pub batch_length: i32,
    /// Epoch of the leader that stored the batch; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C over all from `attributes` on.
    pub crc: u32,
    /// Codec, timestamp type, transaction and control bits.
    pub attributes: Attributes,
    /// Offset of the last record less `base_offset`.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from.
    pub base_timestamp: i64,
    /// Largest timestamp in the batch.
    pub max_timestamp: i64,
    /// Idempotent producer (KIP-98), or -1.
    pub producer_id: i64,
    /// Epoch of the producer id, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; what follows it need not be there. Checks `magic`,
    /// that the length covers a header, and that counts and deltas are not negative.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::Truncated { have: bytes.len(), need: HEADER_BYTES });
        }
        let mut at = bytes;
        let base_offset = at.get_i64();
        let batch_length = at.get_i32();
        let partition_leader_epoch = at.get_i32();
        let magic = at.get_i8();
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let header = Self {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: at.get_u32(),
            attributes: Attributes(at.get_i16()),
            last_offset_delta: at.get_i32(),
            base_timestamp: at.get_i64(),
            max_timestamp: at.get_i64(),
            producer_id: at.get_i64(),
            producer_epoch: at.get_i16(),
            base_sequence: at.get_i32(),
            records_count: at.get_i32(),
        };
        if (batch_length as i64) < (HEADER_BYTES - LENGTH_BEFORE) as i64 {
            return Err(BatchError::Field("length"));
        }
        if header.records_count < 0 {
            return Err(BatchError::Field("record count"));
        }
        if header.last_offset_delta < 0 {
            return Err(BatchError::Field("last offset delta"));
        }
        Ok(header)
    }

    /// Bytes of the whole batch.
    pub fn total_bytes(&self) -> usize {
        LENGTH_BEFORE + self.batch_length as usize
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Offset of the record after the last: where the next batch begins.
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// Checks length and CRC of the batch that begins `bytes` and returns its own slice.
    pub fn verify<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], BatchError> {
        let need = self.total_bytes();
        let batch = bytes.get(..need).ok_or(BatchError::Truncated { have: bytes.len(), need })?;
        let computed = crc32c(&batch[CRC_FROM..]);
        if computed == self.crc {
            Ok(batch)
        } else {
            Err(BatchError::Crc { stored: self.crc, computed })
        }
    }

    /// The header's 61 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut at = &mut bytes[..];
        at.put_i64(self.base_offset);
        at.put_i32(self.batch_length);
        at.put_i32(self.partition_leader_epoch);
        at.put_i8(2);
        at.put_u32(self.crc);
        at.put_i16(self.attributes.0);
        at.put_i32(self.last_offset_delta);
        at.put_i64(self.base_timestamp);
        at.put_i64(self.max_timestamp);
        at.put_i64(self.producer_id);
        at.put_i16(self.producer_epoch);
        at.put_i32(self.base_sequence);
        at.put_i32(self.records_count);
        bytes
    }

    /// Sets base offset and leader epoch in a batch's bytes, as a log does with each batch it takes.
    ///
    /// # Panics
    /// When `batch` is shorter than a header: the caller parsed it before.
    pub fn patch(batch: &mut [u8], base_offset: i64, partition_leader_epoch: i32) {
        batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
        batch[12..16].copy_from_slice(&partition_leader_epoch.to_be_bytes());
    }
}

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4), as record batches carry it.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// The CRC a whole batch should carry.
pub(super) fn crc32c_of_batch(batch: &[u8]) -> u32 {
    crc32c(&batch[CRC_FROM..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(records: &[u8]) -> Vec<u8> {
        let header = BatchHeader {
            base_offset: 7,
            batch_length: (HEADER_BYTES - LENGTH_BEFORE + records.len()) as i32,
            partition_leader_epoch: -1,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 2,
            base_timestamp: 1000,
            max_timestamp: 1002,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records_count: 3,
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(records);
        let crc = crc32c(&bytes[CRC_FROM..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    #[test]
    fn crc_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn patching_leaves_the_crc_good() {
        let mut bytes = header(b"abc");
        BatchHeader::patch(&mut bytes, 1 << 40, 9);
        let parsed = BatchHeader::parse(&bytes).unwrap();
        assert_eq!((parsed.base_offset, parsed.partition_leader_epoch), (1 << 40, 9));
        assert_eq!(parsed.next_offset(), (1 << 40) + 3);
        assert_eq!(parsed.verify(&bytes).unwrap().len(), bytes.len());
    }

    #[test]
    fn flipped_bit_and_short_batch_are_told_apart() {
        let mut bytes = header(b"abc");
        let parsed = BatchHeader::parse(&bytes).unwrap();
        assert!(matches!(parsed.verify(&bytes[..62]), Err(BatchError::Truncated { .. })));
        bytes[62] ^= 1;
        assert!(matches!(parsed.verify(&bytes), Err(BatchError::Crc { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_err(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(header) = BatchHeader::parse(&bytes) {
                let _ = header.verify(&bytes);
                prop_assert_eq!(&header.to_bytes()[..], &bytes[..HEADER_BYTES]);
            }
        }
    }
}
