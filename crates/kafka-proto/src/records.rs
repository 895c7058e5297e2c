//! Record batches (format v2, `magic` 2): the unit in which records travel and are stored.

mod build;
mod compression;
mod header;
mod read;
mod record;
mod varint;

pub use build::{BatchBuilder, Producer};
pub use header::{Attributes, BatchError, BatchHeader, Compression, HEADER_BYTES, crc32c};
pub use read::{Batches, Records, Validation, batches, records, validate};
pub use record::{Header, Record};

#[cfg(test)]
mod tests;
