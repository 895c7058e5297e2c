//! Kafka protocol server and client on tokio.
//!
//! [`server`] turns sockets into typed requests for a [`server::Service`]; [`client`] is a small client of any broker,
//! [`cluster`] one of several brokers together, and [`admin`] one that administers Apache Kafka. With the cargo feature `tls` clients
//! connect over TLS and log in ([`security`]).
//!
//! ```no_run
//! use klamm_kafka::client::Client;
//! use klamm_kafka_proto::messages::metadata::{Metadata, MetadataRequest};
//!
//! # async fn example() -> Result<(), klamm_kafka::KafkaError> {
//! let mut client = Client::connect("127.0.0.1:9092", "me").await?;
//! let metadata = client.call::<Metadata>(&MetadataRequest { topics: None, ..Default::default() }).await?;
//! for topic in metadata.topics {
//!     println!("{:?}", topic.name);
//! }
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! - Responses leave a connection in the order of its requests.
//! - A connection holds no more than a frame being received, and a bounded number of requests in flight.
//!
//! # Non-goals
//! Consumer groups, retries and batching on the client's side: that is what librdkafka is for.
#![deny(missing_docs)]

pub mod admin;
pub mod client;
pub mod cluster;
mod error;
pub mod security;
pub mod server;
mod stream;

pub use error::{Fault, KafkaError, TlsProblem};
