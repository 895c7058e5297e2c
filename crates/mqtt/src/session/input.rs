//! From bytes to events.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use klamm_mqtt_proto::flow::{Acknowledged, Received};
use klamm_mqtt_proto::packet::{Disconnect, Packet, Publish, take_packet};
use klamm_mqtt_proto::{ProtocolVersion, Reason, Violation};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::{End, OUTPUT_BYTES, Session, Transport};
use crate::Closed;
use crate::event::{Ack, Event, Message, SubscribeRequest, UnsubscribeRequest};

/// What is read at a time, into a buffer of the thread: an idle connection holds none.
const READ_BYTES: usize = 32 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// Reads what is there into the thread's buffer and hands it on; nothing at the peer's end.
pub(crate) fn read_some<T>(
    transport: &mut Pin<Box<dyn Transport>>,
    context: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(transport.as_mut().poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(take(buffer.filled())))
    })
}

impl Session {
    /// A 3.1.1 client knows no receive maximum: its packets are left where they are instead.
    fn holds(&self) -> bool {
        self.version == ProtocolVersion::V3
            && self.incoming.unsettled() >= usize::from(self.terms.receive_maximum)
    }

    pub(super) fn may_read(&self) -> bool {
        matches!(self.end, End::Open) && self.output.replied_bytes() < OUTPUT_BYTES && !self.holds()
    }

    /// Ready when something was read, or the connection broke.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let received = &mut self.received;
        let read = ready!(read_some(&mut self.transport, context, |bytes| {
            received.extend_from_slice(bytes);
            bytes.len()
        }));
        match read {
            Ok(0) => self.end = End::Broken(Closed::ByPeer),
            Ok(_) => self.last_received = Instant::now(),
            Err(error) => self.end = End::Broken(error.into()),
        }
        Poll::Ready(())
    }

    /// Throws away what still comes; ready when the client has closed the connection.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(read_some(&mut self.transport, context, <[u8]>::len)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }

    /// Handles every whole packet; true when there was one, or the connection is to end.
    pub(super) fn handle_received(&mut self) -> bool {
        let before = self.received.len();
        while matches!(self.end, End::Open) && !self.holds() {
            let handled = match take_packet(&mut self.received, self.limits.packet_bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => Packet::decode(self.version, frame)
                    .and_then(|packet| self.handle_packet(packet)),
                Err(violation) => Err(violation),
            };
            if let Err(violation) = handled {
                self.end_with(violation.into(), Some((violation.reason, Some(violation.what))));
                return true;
            }
        }
        if self.received.is_empty() {
            self.received = BytesMut::new();
        } else {
            self.timer_before(self.last_received + self.limits.stalled);
        }
        self.received.len() != before
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<(), Violation> {
        match packet {
            Packet::Publish(publish) => self.handle_publish(publish)?,
            Packet::Puback(ack) => drop(self.outgoing.handle_puback(&ack)?),
            Packet::Pubrec(ack) => {
                if let Acknowledged::Next(packet) = self.outgoing.handle_pubrec(&ack)? {
                    self.send(packet);
                }
            }
            Packet::Pubcomp(ack) => drop(self.outgoing.handle_pubcomp(&ack)?),
            Packet::Pubrel(ack) => {
                let packet = self.incoming.handle_pubrel(ack.packet_id);
                self.send(packet);
            }
            Packet::Subscribe(subscribe) => {
                let shared = Arc::clone(&self.shared);
                self.events.push_back(Event::Subscribe(SubscribeRequest { subscribe, shared }));
            }
            Packet::Unsubscribe(unsubscribe) => {
                let shared = Arc::clone(&self.shared);
                let request = UnsubscribeRequest { unsubscribe, shared };
                self.events.push_back(Event::Unsubscribe(request));
            }
            Packet::Pingreq => self.send(Packet::Pingresp),
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect)?,
            Packet::Connect(_) => return Err(protocol("second CONNECT [MQTT-3.1.0-2]")),
            Packet::Auth(_) => {
                return Err(protocol("AUTH without an authentication method [MQTT-4.12.0-7]"));
            }
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                return Err(protocol("packet that only a server sends"));
            }
        }
        Ok(())
    }

    fn handle_publish(&mut self, publish: Publish) -> Result<(), Violation> {
        if !publish.properties.subscription_identifiers.is_empty() {
            let what = "subscription identifier in a client's PUBLISH [MQTT-3.3.4-6]";
            return Err(protocol(what));
        }
        if publish.qos > self.terms.maximum_qos {
            let what = "more than the maximum QoS [MQTT-3.2.2-11]";
            return Err(Violation { reason: Reason::QoSNotSupported, what });
        }
        if publish.retain && !self.terms.retain_available {
            let what = "retained message, which is not offered [MQTT-3.2.2-14]";
            return Err(Violation { reason: Reason::RetainNotSupported, what });
        }
        match self.incoming.handle_publish(publish)? {
            Received::Message(publish, number) => {
                let ack = Ack::new(Arc::clone(&self.shared), number);
                self.events.push_back(Event::Publish(Message::new(publish, ack)));
            }
            Received::Repeated(Some(packet)) => self.send(packet),
            Received::Repeated(None) => {}
        }
        Ok(())
    }

    fn handle_disconnect(&mut self, disconnect: Disconnect) -> Result<(), Violation> {
        let expiry = disconnect.properties.session_expiry_interval.unwrap_or(0);
        if expiry > 0 && self.terms.expires_at_end {
            return Err(protocol("session expiry interval in DISCONNECT where CONNECT had 0"));
        }
        self.events.push_back(Event::Disconnect(disconnect));
        self.end = End::Flushing(None);
        Ok(())
    }
}

fn protocol(what: &'static str) -> Violation {
    Violation { reason: Reason::ProtocolError, what }
}
