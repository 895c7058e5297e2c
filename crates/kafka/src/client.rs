//! A small client: one connection, one call at a time, the newest version both sides know.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use klamm_kafka_proto::messages::api_versions::{
    ApiVersions, ApiVersionsRequest, ApiVersionsResponse,
};
use klamm_kafka_proto::messages::list_offsets::{
    ListOffsets, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use klamm_kafka_proto::{
    Api, ApiKey, ErrorCode, RequestHeader, Str, Uuid, Wire, WireError, read_response_header,
    take_frame,
};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::KafkaError;
use crate::cluster::check;
use crate::security::Security;
use crate::stream::Stream;

#[cfg(feature = "tls")]
mod authenticate;

/// Largest response taken: Kafka's default `fetch.max.bytes` of 50 MiB and as much again.
const RESPONSE_BYTES_MAX: usize = 100 << 20; // beyond it the broker is at fault
const READ_BYTES: usize = 16 << 10;

/// Fetch and Produce name topics up to this version and go by their ids from the next on (KIP-516).
const BY_NAME: i16 = 12;

/// For [`Client::offset_at`]: the first offset that is there.
pub const EARLIEST: i64 = -2;
/// For [`Client::offset_at`]: the next offset to be written.
pub const LATEST: i64 = -1;

/// How a client connects and how long it waits.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What it calls itself in every request.
    pub client_id: String,
    /// What its connections are protected by.
    pub security: Security,
    /// For a connection: TCP, TLS, the table of versions, and authentication together.
    pub connect_time: Duration,
    /// For the response to a call.
    pub call_time: Duration,
}

impl ClientOptions {
    /// Unprotected; 10 s for a connection, 60 s for a response: half a minute more than any request here has a broker wait.
    pub fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            security: Security::default(),
            connect_time: Duration::from_secs(10),
            call_time: Duration::from_secs(60),
        }
    }

    /// The same, protected.
    #[must_use]
    pub fn with_security(self, security: Security) -> Self {
        Self { security, ..self }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    received: BytesMut,
    options: ClientOptions,
    correlation_id: i32,
    table: ApiVersionsResponse,
    versions: HashMap<i16, RangeInclusive<i16>>,
    /// A request went out in part; what follows would be taken for the rest of it.
    is_cut: bool,
    /// When the broker wants the client to authenticate again (KIP-368).
    #[cfg(feature = "tls")]
    authenticate_at: Option<tokio::time::Instant>,
}

impl Client {
    /// Connects without protection and asks which versions the broker serves.
    ///
    /// # Errors
    /// What the system or the broker says.
    pub async fn connect(address: impl ToSocketAddrs, client_id: &str) -> Result<Self, KafkaError> {
        let options = ClientOptions::new(client_id);
        let connecting = async {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            Self::begin(Stream::plain(socket), &options).await
        };
        within("a connection", options.connect_time, connecting).await
    }

    /// Connects to `host:port` as `options` say, asks which versions the broker serves, and authenticates. The server's
    /// certificate must be for `host`.
    ///
    /// # Errors
    /// What the system or the broker says, or [`KafkaError::Tls`].
    pub async fn connect_with(server: &str, options: &ClientOptions) -> Result<Self, KafkaError> {
        let connecting = async {
            let stream = Stream::connect(server, &options.security).await?;
            Self::begin(stream, options).await
        };
        within(&format!("a connection to {server}"), options.connect_time, connecting).await
    }

    async fn begin(stream: Stream, options: &ClientOptions) -> Result<Self, KafkaError> {
        let mut client = Self {
            stream,
            received: BytesMut::new(),
            options: options.clone(),
            correlation_id: 0,
            table: ApiVersionsResponse::default(),
            versions: HashMap::new(),
            is_cut: false,
            #[cfg(feature = "tls")]
            authenticate_at: None,
        };
        client.table = client.ask_versions().await?;
        let table = &client.table.api_keys;
        client.versions =
            table.iter().map(|a| (a.api_key, a.min_version..=a.max_version)).collect();
        #[cfg(feature = "tls")]
        client.authenticate().await?;
        Ok(client)
    }

    async fn ask_versions(&mut self) -> Result<ApiVersionsResponse, KafkaError> {
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("klamm"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let newest = *ApiVersions::VERSIONS.end();
        let table: ApiVersionsResponse = self.exchange::<ApiVersions>(newest, &request).await?;
        if table.error_code != ErrorCode::UnsupportedVersion as i16 {
            return Ok(table);
        }
        // A broker that does not know the version answers in version 0, and since KIP-511 names those it knows.
        let named = table.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions as i16);
        let version = named.map_or(0, |api| api.max_version.clamp(0, newest));
        self.exchange::<ApiVersions>(version, &request).await
    }

    /// What the broker said of its APIs and features when the connection was made.
    pub fn api_versions(&self) -> &ApiVersionsResponse {
        &self.table
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

    /// The newest common version of Fetch or Produce that can name a topic whose id is `topic_id`: without an id, which an
    /// older Metadata does not tell, topics go by their names.
    ///
    /// # Errors
    /// [`KafkaError::NoCommonVersion`].
    pub fn version_for(&self, key: ApiKey, topic_id: Uuid) -> Result<i16, KafkaError> {
        let newest = self.version(key)?;
        Ok(if topic_id == Uuid::default() { newest.min(BY_NAME) } else { newest })
    }

    /// Calls an API in the newest common version.
    ///
    /// # Errors
    /// Of the connection; what the response says is the caller's to look at.
    pub async fn call<A: Api>(&mut self, request: &A::Request) -> Result<A::Response, KafkaError> {
        let version = self.version(A::KEY)?;
        self.call_at::<A>(version, request).await
    }

    /// Calls an API in a given version. A call that is given up, by time or by the caller, leaves the connection usable: its
    /// late response is passed over.
    ///
    /// # Errors
    /// Of the connection; what the response says is the caller's to look at.
    pub async fn call_at<A: Api>(
        &mut self,
        version: i16,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        let time = self.options.call_time;
        let calling = async {
            #[cfg(feature = "tls")]
            self.authenticate_again().await?;
            self.exchange::<A>(version, request).await
        };
        within(&format!("{:?}", A::KEY), time, calling).await
    }

    async fn exchange<A: Api>(
        &mut self,
        version: i16,
        request: &A::Request,
    ) -> Result<A::Response, KafkaError> {
        self.send::<A>(version, request).await?;
        loop {
            let body = self.frame().await?;
            if body.first_chunk() == Some(&self.correlation_id.to_be_bytes()) {
                // Hundreds of connections that wait would each keep room for the largest response so far.
                if self.received.is_empty() {
                    self.received = BytesMut::new();
                }
                return read::<A>(version, body);
            }
        }
    }

    /// The first offset of a partition that the broker leads whose record is of `timestamp` (ms) or later, or that of
    /// [`EARLIEST`] or [`LATEST`].
    ///
    /// # Errors
    /// Of the connection, or the broker's.
    pub async fn offset_at(
        &mut self,
        topic: &str,
        partition: i32,
        timestamp: i64,
    ) -> Result<i64, KafkaError> {
        let request = ListOffsetsRequest {
            topics: vec![ListOffsetsTopic {
                name: topic.into(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: partition,
                    timestamp,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        };
        let response = self.call::<ListOffsets>(&request).await?;
        let answer = response.topics.first().and_then(|topic| topic.partitions.first());
        let answer = answer.ok_or(KafkaError::Closed)?;
        check(answer.error_code, || format!("partition {partition} of '{topic}'"))?;
        Ok(answer.offset)
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
        if self.is_cut {
            return Err(KafkaError::Closed);
        }
        let id = self.correlation_id.wrapping_add(1);
        let frame = RequestHeader::frame::<A>(version, id, &self.options.client_id, request)
            .map_err(|error| malformed::<A>("request", error))?;
        self.correlation_id = id;
        self.is_cut = true;
        self.stream.write_all(&frame).await?;
        self.is_cut = false;
        Ok(())
    }

    /// Takes the next response.
    ///
    /// # Errors
    /// Of the connection.
    pub async fn receive<A: Api>(&mut self, version: i16) -> Result<A::Response, KafkaError> {
        let body = self.frame().await?;
        read::<A>(version, body)
    }

    async fn frame(&mut self) -> Result<Bytes, KafkaError> {
        loop {
            let taken = take_frame(&mut self.received, RESPONSE_BYTES_MAX)
                .map_err(|error| KafkaError::Malformed { what: "frame".into(), error })?;
            if let Some(frame) = taken {
                return Ok(frame);
            }
            self.received.reserve(READ_BYTES);
            self.stream.read(&mut self.received).await?;
        }
    }
}

fn read<A: Api>(version: i16, mut body: Bytes) -> Result<A::Response, KafkaError> {
    let broken = |error| malformed::<A>("response", error);
    read_response_header(A::KEY, version, &mut body).map_err(broken)?;
    // A broker that does not know the version asked for answers ApiVersions in version 0.
    let refused = A::KEY == ApiKey::ApiVersions
        && body.first_chunk() == Some(&(ErrorCode::UnsupportedVersion as i16).to_be_bytes());
    let version = if refused { 0 } else { version };
    A::Response::read(&mut body, A::version(version)).map_err(broken)
}

async fn within<T>(
    what: &str,
    time: Duration,
    work: impl Future<Output = Result<T, KafkaError>>,
) -> Result<T, KafkaError> {
    let timed_out = |_| KafkaError::TimedOut { what: what.to_owned(), time, last: None };
    tokio::time::timeout(time, work).await.map_err(timed_out)?
}

fn malformed<A: Api>(what: &str, error: WireError) -> KafkaError {
    KafkaError::Malformed { what: format!("{:?} {what}", A::KEY), error }
}
