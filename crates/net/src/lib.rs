//! Accept loop, connection limit and drain: what every TCP server of the project has in common.
//!
//! ```no_run
//! # async fn example() -> Result<(), klamm_net::NetError> {
//! use klamm_net::{Connection, ListenOptions, Listener};
//! use tokio_util::sync::CancellationToken;
//!
//! let shutdown = CancellationToken::new();
//! let listener = Listener::bind("echo", "127.0.0.1:7".parse().unwrap(), ListenOptions::default())?;
//! let drained = listener
//!     .serve(shutdown, |mut connection: Connection| async move {
//!         let (mut read, mut write) = connection.stream.split();
//!         // Ends with the peer, or as soon as the server drains.
//!         tokio::select! {
//!             _ = tokio::io::copy(&mut read, &mut write) => {}
//!             () = connection.draining.cancelled() => {}
//!         }
//!     })
//!     .await;
//! assert_eq!(drained.left, 0);
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! - No more connections are open at a time than [`ListenOptions::connections`] allows. One over it is accepted
//!   and closed at once: the client learns of it now instead of after its connect timeout, and the accept
//!   queue of the system stays free for health checks.
//! - Running out of descriptors or memory pauses accepting for a moment; it neither spins nor ends the server.
//! - [`Listener::serve`] returns only after every handler has ended or was dropped at the deadline.
//!
//! # Non-goals
//! No protocol: framing, time limits and back-pressure are the handler's.
#![deny(missing_docs)]

mod bind;
mod listener;
mod metrics;

pub use bind::NetError;
pub use listener::{Connection, ConnectionLimit, Drained, ListenOptions, Listener};
pub use metrics::ListenerMetrics;
