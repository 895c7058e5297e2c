//! Bytes on their way out.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use klamm_mqtt_proto::ProtocolVersion;
use klamm_mqtt_proto::packet::Packet;
use tokio::time::Instant;

use super::Transport;

/// Slices in one vectored write: 16 large payloads with their heads.
const SLICES: usize = 32;

/// Small packets gather in one buffer; large payloads stand as they are between.
#[derive(Debug, Default)]
pub(crate) struct Output {
    segments: VecDeque<Bytes>,
    segments_bytes: usize,
    tail: BytesMut,
    waiting_since: Option<Instant>,
    replied_bytes: usize,
}

impl Output {
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Puts a payload after everything written so far.
    pub(crate) fn push(&mut self, payload: Bytes) {
        let head = self.tail.split().freeze();
        self.segments_bytes += head.len() + payload.len();
        self.segments.push_back(head);
        self.segments.push_back(payload);
    }

    /// Puts a packet; `false`, and nothing put, when it is larger than the peer takes.
    pub(crate) fn put(&mut self, version: ProtocolVersion, packet: &Packet, max: usize) -> bool {
        let from = self.tail.len();
        packet.encode(version, &mut self.tail);
        let fits = self.tail.len() - from <= max;
        if !fits {
            self.tail.truncate(from);
        }
        fits
    }

    /// Puts a packet that answers the peer, as [`Output::put`].
    pub(crate) fn reply(&mut self, version: ProtocolVersion, packet: &Packet, max: usize) -> bool {
        let from = self.tail.len();
        let put = self.put(version, packet, max);
        self.replied_bytes += self.tail.len() - from;
        put
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.segments_bytes + self.tail.len()
    }

    /// Bytes of answers since the output was last empty: what a peer makes us hold by asking and not listening.
    pub(crate) fn replied_bytes(&self) -> usize {
        self.replied_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len_bytes() == 0
    }

    /// Since when the peer has taken nothing, if something waits for it.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// Writes as much as the transport takes; ready when nothing is left.
    pub(crate) fn poll_write(
        &mut self,
        transport: &mut Pin<Box<dyn Transport>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let wrote = match self.poll_write_some(transport, context) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(wrote)) => wrote,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.waiting_since.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            };
            self.waiting_since = None;
            self.advance(wrote);
        }
        self.replied_bytes = 0;
        if self.tail.capacity() > 0 {
            ready!(transport.as_mut().poll_flush(context))?;
            // An idle connection keeps no buffer.
            self.tail = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_some(
        &self,
        transport: &mut Pin<Box<dyn Transport>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let transport = transport.as_mut();
        if self.segments.is_empty() {
            return transport.poll_write(context, &self.tail);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let parts = self.segments.iter().map(|segment| &segment[..]).chain([&self.tail[..]]);
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        transport.poll_write_vectored(context, &slices)
    }

    fn advance(&mut self, mut wrote: usize) {
        while let Some(segment) = self.segments.front_mut() {
            let step = wrote.min(segment.len());
            segment.advance(step);
            self.segments_bytes -= step;
            wrote -= step;
            if !segment.is_empty() {
                return;
            }
            self.segments.pop_front();
        }
        self.tail.advance(wrote);
    }
}
