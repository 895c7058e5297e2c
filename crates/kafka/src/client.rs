//! A small client: one connection, one call at a time, the newest version both sides know.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use klamm_kafka_proto::messages::api_versions::{
    ApiVersions, ApiVersionsRequest, ApiVersionsResponse,
};
use klamm_kafka_proto::{
    Api, ApiKey, ErrorCode, RequestHeader, Str, Wire, WireError, read_response_header, take_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::KafkaError;

/// Largest response taken: Kafka's default `fetch.max.bytes` of 50 MiB and as much again.
const RESPONSE_BYTES_MAX: usize = 100 << 20; // beyond it the broker is at fault
const READ_BYTES: usize = 16 << 10;

/// A connection to a broker.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    received: BytesMut,
    client_id: String,
    correlation_id: i32,
    versions: HashMap<i16, RangeInclusive<i16>>,
}

impl Client {
    /// Connects and asks which versions the broker serves.
    ///
    /// # Errors
    /// What the system or the broker says.
    pub async fn connect(address: impl ToSocketAddrs, client_id: &str) -> Result<Self, KafkaError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            received: BytesMut::new(),
            client_id: client_id.to_owned(),
            correlation_id: 0,
            versions: HashMap::new(),
        };
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("klamm"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let mut table: ApiVersionsResponse = client.call_at::<ApiVersions>(3, &request).await?;
        if table.error_code == ErrorCode::UnsupportedVersion as i16 {
            // An old broker answers in version 0 and is asked again in it.
            table = client.call_at::<ApiVersions>(0, &ApiVersionsRequest::default()).await?;
        }
        client.versions =
            table.api_keys.iter().map(|a| (a.api_key, a.min_version..=a.max_version)).collect();
        Ok(client)
    }

    /// The newest version of an API that both sides know.
    ///
    /// # Errors
    /// [`KafkaError::NoCommonVersion`].
    pub fn version(&self, key: ApiKey) -> Result<i16, KafkaError> {
        let ours = key.versions();
        self.versions
            .get(&(key as i16))
            .map(|theirs| (*theirs.end().min(ours.end()), *theirs.start().max(ours.start())))
            .filter(|(newest, oldest)| newest >= oldest)
            .map(|(newest, _)| newest)
            .ok_or(KafkaError::NoCommonVersion(key))
    }

    /// Calls an API in the newest common version.
    ///
    /// # Errors
    /// Of the connection; what the response says is the caller's to look at.
    pub async fn call<A: Api>(&mut self, request: &A::Request) -> Result<A::Response, KafkaError> {
        let version = self.version(A::KEY)?;
        self.call_at::<A>(version, request).await
    }

    /// Calls an API in a given version.
    ///
    /// # Errors
    /// Of the connection; what the response says is the caller's to look at.
    pub async fn call_at<A: Api>(
        &mut self,
        version: i16,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        self.send::<A>(version, request).await?;
        self.receive::<A>(version).await
    }

    /// Sends a request without waiting for its response; [`Client::receive`] takes responses in order.
    ///
    /// # Errors
    /// Of the connection.
    pub async fn send<A: Api>(
        &mut self,
        version: i16,
        request: &A::Request,
    ) -> Result<(), KafkaError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let id = self.correlation_id;
        let frame = RequestHeader::frame::<A>(version, id, &self.client_id, request)
            .map_err(|error| malformed::<A>("request", error))?;
        self.stream.write_all(&frame).await?;
        Ok(())
    }

    /// Takes the next response.
    ///
    /// # Errors
    /// Of the connection.
    pub async fn receive<A: Api>(&mut self, version: i16) -> Result<A::Response, KafkaError> {
        let mut body = self.frame().await?;
        let broken = |error| malformed::<A>("response", error);
        read_response_header(A::KEY, version, &mut body).map_err(broken)?;
        // A broker that does not know the version asked for answers ApiVersions in version 0.
        let refused = A::KEY == ApiKey::ApiVersions
            && body.first_chunk() == Some(&(ErrorCode::UnsupportedVersion as i16).to_be_bytes());
        let version = if refused { 0 } else { version };
        A::Response::read(&mut body, A::version(version)).map_err(broken)
    }

    async fn frame(&mut self) -> Result<Bytes, KafkaError> {
        loop {
            let taken = take_frame(&mut self.received, RESPONSE_BYTES_MAX)
                .map_err(|error| KafkaError::Malformed { what: "frame".into(), error })?;
            if let Some(frame) = taken {
                return Ok(frame);
            }
            self.received.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(KafkaError::Closed);
            }
        }
    }
}

fn malformed<A: Api>(what: &str, error: WireError) -> KafkaError {
    KafkaError::Malformed { what: format!("{:?} {what}", A::KEY), error }
}
