//! MQTT endpoints on tokio: a server that hands over each client as a [`Session`], and a [`Client`].
//!
//! It is not a broker: it keeps no subscriptions and stores nothing. It is what a broker, a gateway or a test double is made
//! of. One task for each client, and everything is pulled: while nobody asks for the next event, the socket is not read.
//!
//! ```no_run
//! use klamm_mqtt::{Accept, CancellationToken, Event, Reason, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind("127.0.0.1:1883".parse()?)?;
//! server
//!     .serve(CancellationToken::new(), |connect| async move {
//!         let mut session = connect.accept(Accept::default()).await?;
//!         while let Some(event) = session.next().await {
//!             match event? {
//!                 Event::Publish(message) => {
//!                     println!("{}: {} bytes", message.topic(), message.payload().len());
//!                     message.ack(Reason::Success);
//!                 }
//!                 Event::Subscribe(request) => request.refuse(Reason::NotAuthorized),
//!                 Event::Unsubscribe(request) => request.accept(),
//!                 Event::Disconnect(_) => break,
//!             }
//!         }
//!         Ok(())
//!     })
//!     .await;
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//! - A message of QoS 1 or 2 is acknowledged when its [`Ack`] is settled, in the order in which messages came, and never
//!   because it was dropped: a dropped `Ack` leaves the message in flight.
//! - What is queued for a client is bounded in bytes; [`Outbox::offer`] says when there is no room.
//! - A peer that sends garbage, half a packet or nothing is closed with the reason the specification names.
//!
//! # Non-goals
//! Matching, retained messages, and sessions that outlive their connection.
#![deny(missing_docs)]

mod client;
mod closed;
mod connect;
mod event;
mod line_limit;
mod outbox;
mod router;
mod server;
mod session;

#[cfg(test)]
mod testing;

pub use client::{Client, ClientError, ClientOptions, Delivery};
pub use closed::Closed;
pub use connect::{Accept, Connect, Limits};
pub use event::{Ack, Event, Message, SubscribeRequest, UnsubscribeRequest};
pub use klamm_mqtt_proto::packet::{
    Connack, Disconnect, Publish, RetainHandling, SubscribeFilter, Will,
};
pub use klamm_mqtt_proto::{
    Fields, Properties, ProtocolVersion, Publication, QoS, Reason, TopicFilter, Utf8, Violation,
    check_topic_name,
};
pub use klamm_net::{Drained, ListenOptions, Listener, ListenerMetrics, NetError};
pub use line_limit::LineLimit;
pub use outbox::{Offered, Outbox, Terms};
pub use router::{Captures, Inbound, PatternError, Router};
pub use server::{HandlerError, Server};
pub use session::{Session, Transport};
pub use tokio_util::sync::CancellationToken;
