//! The server's side: connections in, typed requests out, responses in order.
//!
//! ```text
//! socket -> frame -> request --call--> Ready ----+
//!    ^        (bounded)        |                 +--> queue of answers, written in order -> socket
//!    +---- not read while ----- Later (future) --+        (bounded)
//!          the queue is full
//! ```
//!
//! [`Service::call`] is awaited before the next request is looked at, so whatever must happen in order (admitting an
//! append) happens there; waiting for the outcome belongs into [`Answer::Later`], and does not hold up the requests
//! behind it.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::OnceLock;

use klamm_kafka_proto::{ApiKey, Request, RequestHeader, Response, Str};

mod api_versions;
mod connection;

pub use connection::serve;

/// What a server says to a request.
pub enum Answer {
    /// This, now.
    Ready(Response),
    /// This, when it is known.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
    /// Nothing (Produce with `acks=0`).
    Nothing,
    /// Close the connection: the client cannot be told otherwise (a failed Produce with `acks=0`).
    Close,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready",
            Self::Later(_) => "Later",
            Self::Nothing => "Nothing",
            Self::Close => "Close",
        })
    }
}

impl Answer {
    /// A response of any API, now.
    pub fn ready(response: impl Into<Response>) -> Self {
        Self::Ready(response.into())
    }
}

/// An API that a server serves.
#[derive(Debug, Clone)]
pub struct Served {
    /// Which.
    pub key: ApiKey,
    /// Versions that are answered.
    pub versions: RangeInclusive<i16>,
    /// Smallest version that is advertised, when it is not the smallest answered.
    pub advertised_min: i16,
}

/// Whose request it is.
#[derive(Debug)]
pub struct Context {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address the client connected to.
    pub local: SocketAddr,
    /// Name and version of the client's software, once ApiVersions has told them (KIP-511).
    pub software: OnceLock<(Str, Str)>,
}

/// A server of the Kafka protocol. ApiVersions is answered by the connection itself, from [`Service::served`].
pub trait Service: Send + Sync + 'static {
    /// What is served; never advertise what has no working handler: clients would hang.
    fn served(&self) -> &[Served];

    /// Handles one request. Awaited before the connection's next request is looked at.
    fn call(
        &self,
        context: &Context,
        header: &RequestHeader,
        request: Request,
    ) -> impl Future<Output = Answer> + Send;
}

/// Bounds of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest Produce request in bytes (`socket.request.max.bytes`).
    pub produce_bytes: usize,
    /// Largest request of any other API in bytes. A decoded request is some 20 times its bytes at worst.
    pub request_bytes: usize,
    /// Largest first request in bytes: before it nothing is known of the peer.
    pub first_request_bytes: usize,
    /// Requests of a connection that are in flight; its socket is not read while there are more.
    pub in_flight: usize,
    /// Time without a byte after which an idle connection is closed (`connections.max.idle.ms`).
    pub idle: std::time::Duration,
    /// Time without a byte after which half a request, or a response that is not taken, closes the connection.
    pub stalled: std::time::Duration,
}

impl Default for Limits {
    /// Kafka's own 100 MiB and 10 minutes; 8 MiB for requests without records, 1 MiB for the first; 32 in flight,
    /// which is above every client's pipelining; 60 s of stall.
    fn default() -> Self {
        Self {
            produce_bytes: 100 << 20,
            request_bytes: 8 << 20,
            first_request_bytes: 1 << 20,
            in_flight: 32,
            idle: std::time::Duration::from_secs(600),
            stalled: std::time::Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests;
