//! The Kafka protocol without IO: frames, messages and record batches, for both ends of a connection.
//!
//! The crate knows no socket, no clock and no runtime. Whatever a peer sends is either a value or an
//! error, never a panic, and no allocation follows a count that the bytes at hand do not bear out.
//!
//! ```
//! use bytes::BytesMut;
//! use klamm_kafka_proto::messages::metadata::{Metadata, MetadataRequest};
//! use klamm_kafka_proto::{ApiKey, Request, RequestHeader, take_frame};
//!
//! let frame = RequestHeader::frame::<Metadata>(9, 1, "me", &MetadataRequest::default())?;
//! let mut received = BytesMut::from(&frame[..]);
//! let mut body = take_frame(&mut received, 1 << 20)?.expect("a whole frame");
//! let header = RequestHeader::read(&mut body)?;
//! let key = ApiKey::from_number(header.api_key).expect("an API known here");
//! let request = Request::read(key, header.api_version, &mut body)?;
//! assert!(matches!(request, Request::Metadata(_)));
//! # Ok::<(), klamm_kafka_proto::WireError>(())
//! ```
//!
//! # Guarantees
//! - What is written in a version is read back the same; the property tests hold every API and version to it.
//! - Strings and bytes of a message are slices of what was received.
//!
//! # Non-goals
//! Message formats 0 and 1, and APIs between brokers.
#![deny(missing_docs)]

mod api;
pub mod consumer_offsets;
mod declare;
mod error_code;
mod header;
pub mod messages;
pub mod records;
mod wire;

pub use api::{Api, ApiKey, Request, Response};
pub use error_code::ErrorCode;
pub use header::{
    RequestHeader, read_response_header, response_frame, response_header_is_flexible, take_frame,
};
pub use wire::{Float64, Nullable, Reader, Str, Uuid, Version, Wire, WireError};

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod sample;
