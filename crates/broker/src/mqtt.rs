//! The binding of MQTT to the broker: one task for each client.
//!
//! ```text
//! socket -> Session -> all messages of one read -> Ingest::append -> Pending ----+
//!    ^                                                                          | durable, in order
//!    +---- PUBACK, PUBREC <------------------------------------------- settle <--+
//!    +---- PUBLISH <- Outbox <- Recipient::offer <- tails, catch-up readers
//! ```
//!
//! Reading goes on while appends become durable: what bounds it is the receive maximum. While an append waits for room in
//! the log, the socket is not read; acknowledgements and deliveries are written all the same.
//!
//! What is not offered yet is refused: wills, retained messages, shared subscriptions, and sessions that outlive their
//! connection (`docs/semantics.md`, "What is refused for now").
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use klamm_broker::{Ingest, Interests, Surroundings, Topics, mqtt::{Mqtt, MqttOptions}};
//! # async fn example(
//! #     ingest: Arc<Ingest>, interests: Arc<Interests>, around: &Surroundings, topics: &Topics,
//! # ) -> Result<(), klamm_mqtt::NetError> {
//! use klamm_mqtt::{CancellationToken, Server};
//!
//! let options = MqttOptions::default();
//! let mqtt = Mqtt::new(ingest, interests, around, topics.log().status(), options);
//! let server = Server::bind("127.0.0.1:1883".parse().unwrap())?;
//! mqtt.listen(server, CancellationToken::new()).await;
//! # Ok(()) }
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use klamm_log::Status;
use klamm_mqtt::{CancellationToken, Closed, Connect, Drained, LineLimit, Reason, Server, Session};
use tokio::sync::watch;

use crate::{Ingest, Interests, Metrics, SubscriberId, Subscriptions, Surroundings};

mod admission;
mod client;
mod clients;
mod publication;
mod publish;
mod reason;
mod recipient;
mod subscribe;

use client::Client;
use clients::Clients;
pub(crate) use publication::publication;

/// What the broker offers MQTT clients.
#[derive(Debug, Clone)]
pub struct MqttOptions {
    /// QoS 1 and 2 messages of a client that may wait to be durable. 1,024 of them every 10 ms, the time of a slow
    /// fsync, are 100,000 a second.
    pub receive_maximum: u16,
    /// Topic aliases of a client; each keeps a topic name.
    pub topic_alias_maximum: u16,
    /// Longest keep alive in seconds; clients that ask for more, or none, are held to it (MQTT 5). 0 leaves it to them.
    pub keep_alive_max: u16,
    /// Subscriptions of a session.
    pub subscriptions: usize,
    /// Clients that wait for the log; while there are more, no other is let in. Each may hold a packet of 1 MiB.
    pub waiting: u64,
}

impl Default for MqttOptions {
    /// 1,024 messages, 16 aliases, any keep alive, 1,024 subscriptions; 256 waiting clients, with 256 MiB at worst.
    fn default() -> Self {
        Self {
            receive_maximum: 1024,
            topic_alias_maximum: 16,
            keep_alive_max: 0,
            subscriptions: 1024,
            waiting: 256,
        }
    }
}

/// MQTT clients on a broker.
#[derive(Debug)]
pub struct Mqtt {
    ingest: Arc<Ingest>,
    interests: Arc<Interests>,
    subscriptions: Arc<Subscriptions>,
    metrics: Arc<Metrics>,
    log: watch::Receiver<Status>,
    options: MqttOptions,
    clients: Clients,
    last_id: AtomicU64,
    lines: LineLimit,
}

impl Mqtt {
    /// Over these parts of one broker; `log` is the status of the log below them.
    pub fn new(
        ingest: Arc<Ingest>,
        interests: Arc<Interests>,
        around: &Surroundings,
        log: watch::Receiver<Status>,
        options: MqttOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            ingest,
            interests,
            subscriptions: Arc::clone(&around.subscriptions),
            metrics: Arc::clone(&around.metrics),
            log,
            options,
            clients: Clients::default(),
            last_id: AtomicU64::new(0),
            lines: LineLimit::default(),
        })
    }

    /// Serves a listener's clients until `shutdown` is cancelled and every session has ended.
    pub async fn listen(self: Arc<Self>, server: Server, shutdown: CancellationToken) -> Drained {
        server
            .serve(shutdown, move |connect| {
                let served = Arc::clone(&self).serve(connect);
                async move {
                    served.await;
                    Ok(())
                }
            })
            .await
    }

    /// Serves one client to its end.
    pub fn serve(self: Arc<Self>, connect: Connect) -> impl Future<Output = ()> + Send {
        // Boxed, as it is over soon: an idle connection shall not keep its room.
        let admission = Box::pin(Arc::clone(&self).admit(connect));
        async move {
            let Some(session) = admission.await else { return };
            let id = SubscriberId(self.last_id.fetch_add(1, Ordering::Relaxed));
            Client::new(self, session, id).run().await;
        }
    }

    fn log_closed(&self, session: &Session, closed: &Closed) {
        if matches!(closed, Closed::ByUs(Reason::ServerShuttingDown)) {
            return;
        }
        self.metrics.mqtt_connections_failed.add(1);
        let Some(suppressed) = self.lines.allow() else { return };
        let (client, peer) = (session.client_id().as_str(), session.peer());
        tracing::info!(client, %peer, reason = %closed, suppressed, "an MQTT connection was closed");
    }
}
