//! MQTT endpoints on tokio.
#![deny(missing_docs)]
