//! One client's connection, driven by whoever asks it for the next event.
//!
//! ```text
//!            +--------- events <- packets <- read (only when there are no events, and the client takes its answers)
//! next() <---+
//!            +--------- settled acks, replies, queued messages -> output -> write (all that is ready at once)
//!
//! Open -- DISCONNECT, violation, the server's wish --> Flushing -- all written --> Lingering -- client gone --> Ended
//!   |                                                      |          or LINGER                                   ^
//!   +---- the connection broke, stalled -------------------+------------------------------------------------------+
//! ```

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use klamm_mqtt_proto::flow::{Incoming, Outgoing};
use klamm_mqtt_proto::packet::{Disconnect, Packet};
use klamm_mqtt_proto::{ProtocolVersion, QoS, Reason, Utf8};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use crate::Closed;
use crate::connect::Limits;
use crate::event::{Event, reason_string};
use crate::outbox::{Outbox, Shared};

mod deadlines;
mod input;
pub(crate) mod output;
mod sending;

pub(crate) use input::read_some;
use output::Output;

/// What a session runs over: a socket, TLS, a WebSocket, a pipe in memory.
pub trait Transport: AsyncRead + AsyncWrite + Send + Sync + Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Debug> Transport for T {}

/// Output beyond which nothing more is taken from the queue; and bytes of answers not taken by the client beyond which
/// it is not read. 64 KiB keep a socket busy for 5 ms at 100 Mbit/s.
pub(crate) const OUTPUT_BYTES: usize = 64 << 10;
/// How long a connection that this side ended is read on and thrown away: closed with unread bytes, the system would
/// reset it, and the client might never read why it was sent away.
const LINGER: Duration = Duration::from_secs(1);

/// A client that was let in. Ask it for events; everything else happens meanwhile, in the same task.
#[derive(Debug)]
pub struct Session {
    transport: Pin<Box<dyn Transport>>,
    shared: Arc<Shared>,
    version: ProtocolVersion,
    client_id: Utf8,
    peer: SocketAddr,
    limits: Limits,
    terms: PeerTerms,
    incoming: Incoming,
    outgoing: Outgoing,
    received: BytesMut,
    output: Output,
    events: VecDeque<Event>,
    keep_alive: Option<Duration>,
    last_received: Instant,
    timer: Pin<Box<Sleep>>,
    end: End,
}

/// What CONNECT and CONNACK settled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerTerms {
    /// Largest packet the client takes.
    pub(crate) packet_bytes: usize,
    /// Failures may carry texts (MQTT 5.0 section 3.1.2.11.7).
    pub(crate) problem_information: bool,
    /// The session ends with the connection (section 3.14.2.2.2).
    pub(crate) expires_at_end: bool,
    /// Messages in, not acknowledged.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: QoS,
    pub(crate) retain_available: bool,
}

#[derive(Debug)]
enum End {
    /// The connection lasts.
    Open,
    /// What is left of the output is written, then it ends; `None` after the client's own DISCONNECT.
    Flushing(Option<Closed>),
    /// Everything is said; the client is read until it closes, or long enough.
    Lingering(Option<Closed>),
    /// Nothing can be written any more.
    Broken(Closed),
    Ended,
}

pub(crate) struct Parts {
    pub(crate) transport: Pin<Box<dyn Transport>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) received: BytesMut,
    pub(crate) limits: Limits,
    pub(crate) version: ProtocolVersion,
    pub(crate) client_id: Utf8,
    pub(crate) keep_alive: u16,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) peer_receive_maximum: u16,
    pub(crate) terms: PeerTerms,
    pub(crate) peer: SocketAddr,
}

impl Session {
    pub(crate) fn new(parts: Parts) -> Self {
        // One and a half times the keep alive [MQTT-3.1.2-22].
        let keep_alive = (parts.keep_alive > 0)
            .then(|| Duration::from_millis(u64::from(parts.keep_alive) * 1500));
        let now = Instant::now();
        // 3.1.1 has no receive maximum: its client is not read instead, see `Session::holds`.
        let receive_maximum = match parts.version {
            ProtocolVersion::V3 => u16::MAX,
            ProtocolVersion::V5 => parts.terms.receive_maximum,
        };
        Self {
            transport: parts.transport,
            shared: parts.shared,
            version: parts.version,
            client_id: parts.client_id,
            peer: parts.peer,
            limits: parts.limits,
            terms: parts.terms,
            incoming: Incoming::new(receive_maximum, parts.topic_alias_maximum),
            outgoing: Outgoing::new(parts.peer_receive_maximum),
            received: parts.received,
            output: Output::default(),
            events: VecDeque::new(),
            keep_alive,
            last_received: now,
            timer: Box::pin(tokio::time::sleep_until(now + keep_alive.unwrap_or(deadlines::FAR))),
            end: End::Open,
        }
    }

    /// The protocol it speaks.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Its identifier, assigned or its own.
    pub fn client_id(&self) -> &Utf8 {
        &self.client_id
    }

    /// Its address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// A way to send it messages.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.shared))
    }

    /// Waits for what the client does next, and meanwhile writes whatever is to be written. `None` after the end; an
    /// error is the last but one. Cancel-safe: a dropped call loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event, Closed>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// What the client did already, without waiting: all that one read of the socket brought can be handled together.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Waits for a future while whatever is to be written is written. The socket is not read: this is how to wait for room
    /// without leaving the client's other business undone. The future is waited for even if the connection ends
    /// meanwhile: what the client sent before its end is still to be dealt with.
    pub async fn write_while<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            self.poll_written(context);
            Poll::Pending
        })
        .await
    }

    /// Ends the connection: an MQTT 5 client is told the reason. What is in the output already is still written, while
    /// [`Session::next`] is awaited.
    pub fn disconnect(&mut self, reason: Reason) {
        self.end_with(Closed::ByUs(reason), Some((reason, None)));
    }

    /// Ends the connection and tells people why, where the protocol has room for that (MQTT 5).
    pub fn disconnect_with(&mut self, reason: Reason, text: &str) {
        self.end_with(Closed::ByUs(reason), Some((reason, Some(text))));
    }

    /// [`Session::next`] for those who wait for something else in the same place.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event, Closed>>> {
        loop {
            let written = self.poll_written(context);
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match &self.end {
                End::Ended => return Poll::Ready(None),
                End::Broken(closed) => {
                    let closed = closed.clone();
                    return self.finish(Some(closed));
                }
                End::Open => {
                    if self.handle_received() {
                        continue;
                    }
                    if self.may_read() && self.poll_read(context).is_ready() {
                        continue;
                    }
                }
                End::Flushing(closed) => {
                    if written {
                        let closed = closed.clone();
                        self.linger(closed, context);
                        continue;
                    }
                }
                End::Lingering(closed) => {
                    let closed = closed.clone();
                    if closed.is_none() || self.poll_gone(context).is_ready() {
                        return self.finish(closed);
                    }
                }
            }
            self.rest();
            if self.poll_deadlines(true, context).is_ready() || !self.wait(context) {
                continue;
            }
            return Poll::Pending;
        }
    }

    /// Turns what other tasks left into output and writes it; true when nothing is left, and nothing broke.
    fn poll_written(&mut self, context: &mut Context<'_>) -> bool {
        loop {
            self.collect();
            if matches!(self.end, End::Broken(_) | End::Ended) {
                return false;
            }
            match self.output.poll_write(&mut self.transport, context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.end = End::Broken(error.into());
                    return false;
                }
                Poll::Pending => {
                    let _ = self.poll_deadlines(false, context);
                    self.wait(context);
                    return false;
                }
            }
            if self.wait(context) {
                return true;
            }
        }
    }

    /// Leaves the waker with what other tasks change; `false` when there is something to do already.
    fn wait(&self, context: &Context<'_>) -> bool {
        let mut state = self.shared.state();
        if matches!(self.end, End::Open) && (self.can_send(&state) || sending::has_news(&state)) {
            return false;
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        true
    }

    /// Gives back the room of a burst: an idle connection holds no buffers.
    fn rest(&mut self) {
        if self.events.capacity() > 0 && self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }

    fn end_with(&mut self, closed: Closed, told: Option<(Reason, Option<&str>)>) {
        if !matches!(self.end, End::Open) {
            return;
        }
        if let Some((reason, text)) = told.filter(|_| self.version == ProtocolVersion::V5) {
            let mut disconnect = Disconnect::new(reason);
            disconnect.properties = reason_string(text);
            self.send_stripped(Packet::Disconnect(disconnect));
        }
        self.end = End::Flushing(Some(closed));
        self.timer_before(Instant::now() + self.limits.stalled);
    }

    fn linger(&mut self, closed: Option<Closed>, context: &mut Context<'_>) {
        // What the system has, it sends by itself: whether it is shut down now or a little later does not matter here.
        let _ = self.transport.as_mut().poll_shutdown(context);
        self.end = End::Lingering(closed);
        self.received = BytesMut::new();
        self.timer.as_mut().reset(Instant::now() + LINGER);
    }

    fn finish(&mut self, closed: Option<Closed>) -> Poll<Option<Result<Event, Closed>>> {
        self.end = End::Ended;
        self.shared.close();
        Poll::Ready(closed.map(Err))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[cfg(test)]
mod tests;
