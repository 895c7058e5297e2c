//! The Kafka protocol without IO: frames, messages and record batches, for both ends of a connection.
//!
//! The crate knows no socket, no clock and no runtime. Whatever a peer sends is either a value or an
//! error, never a panic, and no allocation follows a count that the bytes at hand do not bear out.
#![deny(missing_docs)]

pub mod records;
