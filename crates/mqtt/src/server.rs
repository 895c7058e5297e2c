//! The listening side.

use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use klamm_mqtt_proto::Reason;
use klamm_net::{Connection, Drained, ListenOptions, Listener, ListenerMetrics, NetError};
use tokio_util::sync::CancellationToken;

use crate::connect::{Connect, Limits};
use crate::line_limit::LineLimit;
use crate::outbox::Outbox;

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
                let handler = Arc::clone(&handler);
                let unread = Arc::clone(&unread);
                // Boxed: a future that is handed on is held twice in the one around it. And reading CONNECT has a box of
                // its own, as it is over soon: an idle connection shall not keep its room.
                let reading = Box::pin(read(connection, limits, unread));
                Box::pin(async move {
                    let Some((connect, draining)) = reading.await else { return };
                    let (peer, outbox) = (connect.peer(), connect.outbox());
                    let work = Box::pin(handler(connect));
                    finish(work, peer, outbox, draining).await;
                })
            })
            .await
    }
}

async fn read(
    connection: Connection,
    limits: Limits,
    unread: Arc<LineLimit>,
) -> Option<(Connect, CancellationToken)> {
    let Connection { stream, peer, local, draining } = connection;
    match draining.run_until_cancelled(Connect::read(stream, peer, local, limits)).await? {
        Ok(connect) => Some((connect, draining)),
        Err(error) => {
            if let Some(suppressed) = unread.allow() {
                tracing::info!(%peer, reason = %error, suppressed, "closed before CONNECT was done");
            }
            None
        }
    }
}

/// Sees a client's handler through, and ends its session when the server drains.
async fn finish<F>(
    mut work: Pin<Box<F>>,
    peer: SocketAddr,
    outbox: Outbox,
    draining: CancellationToken,
) where
    F: Future<Output = Result<(), HandlerError>>,
{
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

#[cfg(test)]
mod tests;
