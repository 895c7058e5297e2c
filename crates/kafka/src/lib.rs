//! Kafka protocol server and client on tokio.
#![deny(missing_docs)]
