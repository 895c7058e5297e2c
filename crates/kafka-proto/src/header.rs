//! What goes before a request or a response, and the frames both travel in.
//!
//! ```text
//! length i32 | api key i16 | version i16 | correlation id i32 | client id | tagged fields (flexible)
//! length i32 | correlation id i32 | tagged fields (flexible, but never for ApiVersions)
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::{NoTaggedFields, Str, Version, Wire, WireError, put_uvarint};
use crate::{Api, ApiKey};

/// The header of a request (versions 1 and 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Number of the API, known here or not.
    pub api_key: i16,
    /// Its version.
    pub api_version: i16,
    /// Comes back with the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
}

const PLAIN: Version = Version { number: 1, flexible: false };

impl RequestHeader {
    /// Reads the header. The tagged fields of an API unknown here cannot be told from its body and stay there.
    ///
    /// # Errors
    /// When it is cut short or malformed.
    pub fn read(bytes: &mut Bytes) -> Result<Self, WireError> {
        let api_key = i16::read(bytes, PLAIN)?;
        let api_version = i16::read(bytes, PLAIN)?;
        let correlation_id = i32::read(bytes, PLAIN)?;
        // The client id keeps its long form even in flexible versions (KIP-482).
        let client_id = Option::<Str>::read(bytes, PLAIN)?;
        if ApiKey::from_number(api_key).is_some_and(|key| key.version(api_version).flexible) {
            NoTaggedFields::read(bytes, PLAIN)?;
        }
        Ok(Self { api_key, api_version, correlation_id, client_id })
    }

    /// A whole request frame, its length before it.
    ///
    /// # Errors
    /// When the version cannot carry the request.
    pub fn frame<A: Api>(
        version: i16,
        correlation_id: i32,
        client_id: &str,
        request: &A::Request,
    ) -> Result<Bytes, WireError> {
        let mut out = BytesMut::new();
        out.put_i32(0);
        out.put_i16(A::KEY as i16);
        out.put_i16(version);
        out.put_i32(correlation_id);
        Some(Str::from(client_id)).write(&mut out, PLAIN)?;
        let version = A::version(version);
        if version.flexible {
            put_uvarint(&mut out, 0);
        }
        request.write(&mut out, version)?;
        finish(out)
    }
}

/// Whether the header of a response has tagged fields. Never for ApiVersions, whose version the client cannot know yet.
pub fn response_header_is_flexible(key: ApiKey, version: i16) -> bool {
    key != ApiKey::ApiVersions && key.version(version).flexible
}

/// A whole response frame, its length before it.
///
/// # Errors
/// When the version cannot carry the response.
pub fn response_frame(
    version: i16,
    correlation_id: i32,
    response: &crate::Response,
) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i32(correlation_id);
    if response_header_is_flexible(response.key(), version) {
        put_uvarint(&mut out, 0);
    }
    response.write(&mut out, version)?;
    finish(out)
}

/// Takes the header off a response: its correlation id.
///
/// # Errors
/// When it is cut short or malformed.
pub fn read_response_header(
    key: ApiKey,
    version: i16,
    bytes: &mut Bytes,
) -> Result<i32, WireError> {
    let correlation_id = i32::read(bytes, PLAIN)?;
    if response_header_is_flexible(key, version) {
        NoTaggedFields::read(bytes, PLAIN)?;
    }
    Ok(correlation_id)
}

fn finish(mut out: BytesMut) -> Result<Bytes, WireError> {
    let length = out.len() - 4;
    let prefix = i32::try_from(length).map_err(|_| WireError::Length(length as i64))?;
    out[..4].copy_from_slice(&prefix.to_be_bytes());
    Ok(out.freeze())
}

/// Takes one frame off the front of what has been received; `None` while it is not whole. A length out of bounds is
/// refused as soon as its four bytes are there, before anything is buffered for it.
///
/// # Errors
/// [`WireError::Length`].
pub fn take_frame(received: &mut BytesMut, limit_bytes: usize) -> Result<Option<Bytes>, WireError> {
    let Some(prefix) = received.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*prefix);
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= limit_bytes)
        .ok_or(WireError::Length(i64::from(length)))?;
    if received.len() < 4 + length {
        return Ok(None);
    }
    received.advance(4);
    Ok(Some(received.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::api_versions::{ApiVersions, ApiVersionsRequest, ApiVersionsResponse};

    #[test]
    fn flexible_request_has_the_bytes_of_the_protocol_guide() {
        let request = ApiVersionsRequest {
            client_software_name: "x".into(),
            client_software_version: "1".into(),
        };
        let frame = RequestHeader::frame::<ApiVersions>(3, 7, "me", &request).unwrap();
        let expected = b"\0\0\0\x12\0\x12\0\x03\0\0\0\x07\0\x02me\0\x02x\x021\0";
        assert_eq!(&frame[..], expected);
        let mut body = take_frame(&mut BytesMut::from(&frame[..]), 100).unwrap().unwrap();
        let header = RequestHeader::read(&mut body).unwrap();
        assert_eq!((header.api_key, header.api_version, header.correlation_id), (18, 3, 7));
        assert_eq!(header.client_id.as_deref(), Some("me"));
        let read = crate::Request::read(ApiKey::ApiVersions, 3, &mut body).unwrap();
        assert_eq!(read, crate::Request::ApiVersions(request));
        assert!(body.is_empty());
    }

    #[test]
    fn response_header_of_api_versions_is_never_flexible() {
        let response = ApiVersionsResponse { error_code: 35, ..Default::default() };
        let frame = response_frame(3, 7, &response.into()).unwrap();
        assert_eq!(&frame[..], b"\0\0\0\x0c\0\0\0\x07\0\x23\x01\0\0\0\0\0");
        assert!(response_header_is_flexible(ApiKey::Metadata, 9));
        assert!(!response_header_is_flexible(ApiKey::Metadata, 8));
    }

    #[test]
    fn frame_length_is_checked_before_its_bytes_come() {
        let take = |bytes: &[u8]| take_frame(&mut BytesMut::from(bytes), 1000);
        assert_eq!(take(b"\0\0"), Ok(None));
        assert_eq!(take(b"\0\0\x03\xe8"), Ok(None));
        assert_eq!(take(b"\0\0\x03\xe9"), Err(WireError::Length(1001)));
        assert_eq!(take(b"\x7f\xff\xff\xff"), Err(WireError::Length(i64::from(i32::MAX))));
        assert_eq!(take(b"\xff\xff\xff\xff"), Err(WireError::Length(-1)));
        assert_eq!(take(b"\0\0\0\x01ab"), Ok(Some(Bytes::from_static(b"a"))));
    }
}
