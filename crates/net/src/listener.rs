//! The accept loop and its end.
//!
//! ```text
//!            shutdown cancelled             all handlers ended, or deadline
//! accepting --------------------> draining --------------------------------> closed
//!     |  socket open                 |  socket closed, `draining` cancelled     |  rest dropped and counted
//! ```

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bind::{NetError, bind};
use crate::metrics::ListenerMetrics;

/// 20,000 connections at the design's 3 KB each are 60 MB, and leave room below the usual hard limit of
/// 65,536 descriptors for the log's files.
const CONNECTIONS_DEFAULT_MAX: usize = 20_000;

/// Long enough for requests in flight and their fsyncs, short of Kubernetes' 30 s before SIGKILL.
const DRAIN_DEFAULT: Duration = Duration::from_secs(10);

/// Pause after `accept` failed for want of descriptors or memory. It bounds the loop to 10 rounds a second.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One refused connection in so many is logged, beginning with the first: a storm must not fill the disk.
const REFUSED_PER_LOG_LINE: u64 = 1000;

/// How many connections may be open at a time. Clones share the bound, so that several listeners can draw
/// on one.
#[derive(Debug, Clone)]
pub struct ConnectionLimit {
    max: usize,
    places: Arc<Semaphore>,
}

impl ConnectionLimit {
    /// A bound of so many connections.
    pub fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self { max, places: Arc::new(Semaphore::new(max)) }
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }
}

/// How a [`Listener`] accepts and ends.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Connections open at a time; those over it are accepted and closed.
    pub connections: ConnectionLimit,
    /// How long a drain waits for handlers to end by themselves.
    pub drain: Duration,
}

impl Default for ListenOptions {
    /// 20,000 connections; 10 s.
    fn default() -> Self {
        Self { connections: ConnectionLimit::new(CONNECTIONS_DEFAULT_MAX), drain: DRAIN_DEFAULT }
    }
}

/// A bound socket that accepts once [`Listener::serve`] runs. Connections wait in the system's queue until then.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    local: SocketAddr,
    options: ListenOptions,
    metrics: Arc<ListenerMetrics>,
}

/// An accepted connection with `TCP_NODELAY` set.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address the client connected to.
    pub local: SocketAddr,
    /// Cancelled when the server drains: finish what is in flight, take nothing new, end.
    pub draining: CancellationToken,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open at the deadline and were cut.
    pub left: usize,
}

impl Listener {
    /// Binds the address (port 0 takes a free one); must be called within a tokio runtime. `name` stands in
    /// errors and log lines.
    ///
    /// # Errors
    /// [`NetError::Bind`], whose text says what to change.
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        options: ListenOptions,
    ) -> Result<Self, NetError> {
        let socket = bind(name, address)?;
        let local = socket.local_addr().map_err(|error| NetError::Bind { name, address, error })?;
        Ok(Self { name, socket, local, options, metrics: Arc::default() })
    }

    /// The bound address, with the port taken.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Counters, to be kept while [`Listener::serve`] owns the rest.
    pub fn metrics(&self) -> Arc<ListenerMetrics> {
        self.metrics.clone()
    }

    /// Runs `handler` in a task for each connection until `shutdown` is cancelled, then drains. Dropping the
    /// future closes the socket and tells the handlers to drain, but waits for none.
    pub async fn serve<H, F>(self, shutdown: CancellationToken, handler: H) -> Drained
    where
        H: Fn(Connection) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = TaskTracker::new();
        let draining = CancellationToken::new();
        let told = draining.clone().drop_guard();
        let cut = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some((connection, open)) = self.admit(stream, peer, draining.clone())
                    else {
                        continue;
                    };
                    let work = handler(connection);
                    let cut = cut.clone();
                    tasks.spawn(async move {
                        let _open = open;
                        cut.run_until_cancelled(work).await;
                    });
                }
                Err(error) => self.pause_after(&error, &shutdown).await,
            }
        }
        drop(self.socket);
        drop(told);
        drain(self.name, &tasks, &cut, self.options.drain).await
    }

    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        draining: CancellationToken,
    ) -> Option<(Connection, Open)> {
        let limit = self.options.connections.max;
        let Some(place) = self.options.connections.take() else {
            if self.metrics.count_refused().is_multiple_of(REFUSED_PER_LOG_LINE) {
                tracing::warn!(server = self.name, %peer, limit, "connection limit reached, closing");
            }
            return None;
        };
        // Both fail only when the peer is gone already.
        let local = stream.local_addr().ok()?;
        stream.set_nodelay(true).ok()?;
        let open = Open::new(self.metrics.clone(), place);
        Some((Connection { stream, peer, local, draining }, open))
    }

    /// A connection reset while it waited concerns only that one; anything else lasts longer than a moment.
    async fn pause_after(&self, error: &io::Error, shutdown: &CancellationToken) {
        self.metrics.count_failed();
        if is_of_one_connection(error) {
            return;
        }
        tracing::warn!(server = self.name, %error, "cannot accept, pausing");
        shutdown.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn drain(
    name: &str,
    tasks: &TaskTracker,
    cut: &CancellationToken,
    deadline: Duration,
) -> Drained {
    tasks.close();
    let ended = tokio::time::timeout(deadline, tasks.wait()).await;
    let left = if ended.is_ok() { 0 } else { tasks.len() };
    if left > 0 {
        tracing::warn!(server = name, left, "connections cut at the end of the drain");
    }
    cut.cancel();
    tasks.wait().await;
    Drained { left }
}

/// Counts a connection as open for as long as it lives, also when its handler panics.
struct Open {
    metrics: Arc<ListenerMetrics>,
    place: Option<OwnedSemaphorePermit>,
}

impl Open {
    fn new(metrics: Arc<ListenerMetrics>, place: OwnedSemaphorePermit) -> Self {
        metrics.count_accepted();
        Self { metrics, place: Some(place) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // The place first: who sees the count go down may connect at once.
        self.place = None;
        self.metrics.count_closed();
    }
}

#[cfg(test)]
mod tests;
