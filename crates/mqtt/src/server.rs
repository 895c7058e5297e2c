//! The listening side.

use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use klamm_mqtt_proto::Reason;
use klamm_net::{Connection, Drained, ListenOptions, Listener, ListenerMetrics, NetError};
use tokio_util::sync::CancellationToken;

use crate::connect::{Connect, Limits};
use crate::line_limit::LineLimit;

/// What a handler of connections may fail with. It is logged, and concerns nobody else.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Accepts MQTT clients.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    limits: Limits,
}

impl Server {
    /// Binds an address with default options; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`NetError::Bind`], whose text says what to change.
    pub fn bind(address: SocketAddr) -> Result<Self, NetError> {
        let listener = Listener::bind("mqtt", address, ListenOptions::default())?;
        Ok(Self::new(listener, Limits::default()))
    }

    /// Over a listener, with these bounds for each connection.
    pub fn new(listener: Listener, limits: Limits) -> Self {
        Self { listener, limits }
    }

    /// The bound address, with the port taken.
    pub fn local_address(&self) -> SocketAddr {
        self.listener.local_address()
    }

    /// Counters, to be kept while [`Server::serve`] owns the rest.
    pub fn metrics(&self) -> Arc<ListenerMetrics> {
        self.listener.metrics()
    }

    /// Runs `handler` in a task for each client until `shutdown` is cancelled. Then every session ends, MQTT 5 clients with
    /// [`Reason::ServerShuttingDown`], and the handlers have [`ListenOptions::drain`] to finish.
    pub async fn serve<H, F>(self, shutdown: CancellationToken, handler: H) -> Drained
    where
        H: Fn(Connect) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let unread = Arc::new(LineLimit::default());
        let limits = self.limits;
        self.listener
            .serve(shutdown, move |connection| {
                let (handler, unread) = (Arc::clone(&handler), Arc::clone(&unread));
                async move {
                    if let Some((connect, draining)) = read(connection, limits, &unread).await {
                        handle(connect, draining, &*handler).await;
                    }
                }
            })
            .await
    }
}

/// Boxed, as it is over soon: an idle connection shall not keep its room.
async fn read(
    connection: Connection,
    limits: Limits,
    unread: &LineLimit,
) -> Option<(Connect, CancellationToken)> {
    let Connection { stream, peer, local, draining } = connection;
    let read = Box::pin(Connect::read(stream, peer, local, limits));
    match draining.run_until_cancelled(read).await? {
        Ok(connect) => Some((connect, draining)),
        Err(error) => {
            if let Some(suppressed) = unread.allow() {
                tracing::info!(%peer, reason = %error, suppressed, "closed before CONNECT was done");
            }
            None
        }
    }
}

async fn handle<H, F>(connect: Connect, draining: CancellationToken, handler: &H)
where
    H: Fn(Connect) -> F,
    F: Future<Output = Result<(), HandlerError>>,
{
    let (peer, outbox) = (connect.peer(), connect.outbox());
    let mut work = pin!(handler(connect));
    let done = tokio::select! {
        done = &mut work => done,
        () = draining.cancelled() => {
            outbox.disconnect(Reason::ServerShuttingDown);
            work.await
        }
    };
    if let Err(error) = done {
        report(peer, &error);
    }
}

fn report(peer: SocketAddr, error: &dyn Display) {
    tracing::debug!(%peer, %error, "a client's handler failed");
}
