//! Record batches (format v2, `magic` 2): the unit in which records travel and are stored.

mod header;

pub use header::{Attributes, BatchError, BatchHeader, Compression, HEADER_BYTES, crc32c};
