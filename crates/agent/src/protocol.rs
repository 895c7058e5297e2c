//! The agent's words: HTTPS with mutual TLS, HTTP/1.1, port [`PORT`], JSON.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/state` | | [`State`] |
//! | `PUT /v1/permit` | [`Permit`] | 204, or 409 with a [`Refusal`] |
//! | `PUT /v1/certificate` | [`Loaded`] | 204, or 409 with a [`Refusal`] |
//!
//! Anything else gets 400, 403, 404, 405 or 413 with a [`Refusal`]. Fields that are not known are passed over, so that an agent and
//! an operator of different releases understand each other.

mod config;
mod permit;
mod state;

pub use config::{Config, Listener, Role};
pub use permit::{Format, Loaded, Permit, Refusal, Start, Wait};
pub use state::{Certificate, Disk, Formatted, Kafka, Phase, State, Volume};

/// [`State::protocol`] of this release.
pub const PROTOCOL: u32 = 1;

/// The port the agent listens on.
pub const PORT: u16 = 9099;
