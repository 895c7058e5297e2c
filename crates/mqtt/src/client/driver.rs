//! The task behind a [`super::Client`]: everything about its connection happens here.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use klamm_mqtt_proto::flow::{Acknowledged, Incoming, Outgoing, Received};
use klamm_mqtt_proto::packet::{
    self, Connack, Disconnect, Packet, Publish, Subscribe, SubscribeFilter, Unsubscribe,
    take_packet,
};
use klamm_mqtt_proto::{Properties, ProtocolVersion, QoS, Reason, TopicFilter, Violation};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::inbound::Inbound;
use super::{ClientError, ClientOptions};
use crate::Closed;
use crate::event::{Ack, Message};
use crate::outbox::Shared;
use crate::session::output::Output;
use crate::session::{OUTPUT_BYTES, Transport, read_some};

/// What a client's owner wants.
#[derive(Debug)]
pub(super) enum Command {
    Publish(Publish, oneshot::Sender<Reason>),
    Subscribe(Vec<SubscribeFilter>, Properties, oneshot::Sender<Vec<Reason>>),
    Unsubscribe(Vec<TopicFilter>, oneshot::Sender<Vec<Reason>>),
    Disconnect(Disconnect, oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Driver {
    transport: Pin<Box<dyn Transport>>,
    version: ProtocolVersion,
    packet_bytes: usize,
    peer_packet_bytes: usize,
    received: BytesMut,
    output: Output,
    /// Settled acknowledgements of the owner.
    shared: Arc<Shared>,
    incoming: Incoming,
    outgoing: Outgoing,
    commands: mpsc::Receiver<Command>,
    inbound: Arc<Inbound>,
    publishes: HashMap<u16, oneshot::Sender<Reason>>,
    requests: HashMap<u16, oneshot::Sender<Vec<Reason>>>,
    keep_alive: Option<Duration>,
    ping: Pin<Box<Sleep>>,
    pinged: bool,
    goodbye: Option<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn new(
        transport: Pin<Box<dyn Transport>>,
        received: BytesMut,
        options: &ClientOptions,
        connack: &Connack,
        commands: mpsc::Receiver<Command>,
        inbound: &Arc<Inbound>,
    ) -> Self {
        let told = &connack.properties;
        let keep_alive = told.server_keep_alive.unwrap_or(options.keep_alive);
        let keep_alive = (keep_alive > 0).then(|| Duration::from_secs(u64::from(keep_alive)));
        let receive_maximum = match options.version {
            ProtocolVersion::V3 => u16::MAX,
            ProtocolVersion::V5 => options.receive_maximum,
        };
        let aliases = options.properties.topic_alias_maximum.unwrap_or(0);
        let in_flight = told.receive_maximum.unwrap_or(u16::MAX).min(options.in_flight);
        let first = Instant::now() + keep_alive.unwrap_or_default();
        Self {
            transport,
            version: options.version,
            packet_bytes: options.packet_bytes,
            peer_packet_bytes: told.maximum_packet_size.map_or(usize::MAX, |max| max as usize),
            received,
            output: Output::default(),
            shared: Shared::new(0),
            incoming: Incoming::new(receive_maximum, aliases),
            outgoing: Outgoing::new(in_flight),
            commands,
            inbound: Arc::clone(inbound),
            publishes: HashMap::new(),
            requests: HashMap::new(),
            keep_alive,
            ping: Box::pin(tokio::time::sleep_until(first)),
            pinged: false,
            goodbye: None,
        }
    }

    pub(super) async fn run(mut self) {
        let error = std::future::poll_fn(|context| self.poll(context)).await;
        self.shared.close();
        self.inbound.end(error);
        if let Some(goodbye) = self.goodbye.take() {
            let _ = goodbye.send(());
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ClientError> {
        loop {
            self.settle(context);
            let commanded = self.take_commands(context);
            let written = match self.output.poll_write(&mut self.transport, context) {
                Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if self.goodbye.is_some() {
                if !written {
                    return Poll::Pending;
                }
                let _ = self.transport.as_mut().poll_shutdown(context);
                return Poll::Ready(ClientError::Closed(Closed::ByUs(Reason::Success)));
            }
            match commanded {
                Poll::Ready(None) => {
                    return Poll::Ready(ClientError::Closed(Closed::ByUs(Reason::Success)));
                }
                Poll::Ready(Some(())) if written => continue,
                _ => {}
            }
            let handled = match self.handle_received() {
                Ok(handled) => handled,
                Err(error) => return Poll::Ready(error),
            };
            match self.poll_read(context) {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending if handled => continue,
                Poll::Pending => {}
            }
            match self.poll_ping(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        if !self.inbound.has_room(context) || self.output.replied_bytes() > OUTPUT_BYTES {
            return Poll::Pending;
        }
        let received = &mut self.received;
        let read = std::task::ready!(read_some(&mut self.transport, context, |bytes| {
            received.extend_from_slice(bytes);
            bytes.len()
        }));
        Poll::Ready(match read {
            Ok(0) => Err(Closed::ByPeer.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    /// Acknowledges what the owner settled.
    fn settle(&mut self, context: &Context<'_>) {
        let mut state = self.shared.state();
        let settled = std::mem::take(&mut state.settled);
        state.waker = Some(context.waker().clone());
        drop(state);
        for (number, outcome) in settled {
            let (output, version, max) = (&mut self.output, self.version, self.peer_packet_bytes);
            self.incoming.settle(number, outcome, |packet| {
                output.reply(version, &packet, max);
            });
        }
    }

    /// Takes commands while there is room for what they lead to; `None` when nobody can give any more.
    fn take_commands(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        let mut taken = Poll::Pending;
        while self.goodbye.is_none()
            && self.output.len_bytes() < OUTPUT_BYTES
            && self.outgoing.has_room()
        {
            match self.commands.poll_recv(context) {
                Poll::Ready(Some(command)) => self.obey(command),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
            taken = Poll::Ready(Some(()));
        }
        taken
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(publish, done) => self.publish(publish, done),
            Command::Subscribe(filters, properties, done) => {
                let Some(packet_id) = self.outgoing.begin_request() else { return };
                self.requests.insert(packet_id, done);
                self.put(&Packet::Subscribe(Subscribe { packet_id, properties, filters }));
            }
            Command::Unsubscribe(filters, done) => {
                let Some(packet_id) = self.outgoing.begin_request() else { return };
                self.requests.insert(packet_id, done);
                let properties = Properties::default();
                self.put(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
            }
            Command::Disconnect(disconnect, done) => {
                self.put(&Packet::Disconnect(disconnect));
                self.goodbye = Some(done);
            }
        }
    }

    fn publish(&mut self, mut publish: Publish, done: oneshot::Sender<Reason>) {
        if publish.qos == QoS::AtMostOnce {
            publish.packet_id = None;
            let sent = self.put(&Packet::Publish(publish));
            let _ = done.send(if sent { Reason::Success } else { Reason::PacketTooLarge });
            return;
        }
        let Some(packet_id) = self.outgoing.begin(publish.qos) else { return };
        publish.packet_id = Some(packet_id);
        if self.put(&Packet::Publish(publish)) {
            self.publishes.insert(packet_id, done);
        } else {
            self.outgoing.forget(packet_id);
            let _ = done.send(Reason::PacketTooLarge);
        }
    }

    /// Puts what the owner wants, unless it is larger than the server takes.
    fn put(&mut self, packet: &Packet) -> bool {
        self.output.put(self.version, packet, self.peer_packet_bytes)
    }

    /// Puts an answer to the server.
    fn reply(&mut self, packet: &Packet) {
        self.output.reply(self.version, packet, self.peer_packet_bytes);
    }

    /// Handles every whole packet; true when there was one.
    fn handle_received(&mut self) -> Result<bool, ClientError> {
        let before = self.received.len();
        let mut messages = Vec::new();
        let handled = loop {
            let taken = take_packet(&mut self.received, self.packet_bytes);
            let packet = match taken.and_then(|taken| {
                taken.map(|frame| Packet::decode(self.version, frame)).transpose()
            }) {
                Ok(None) => break Ok(()),
                Ok(Some(packet)) => packet,
                Err(violation) => break Err(violation.into()),
            };
            if let Err(error) = self.handle_packet(packet, &mut messages) {
                break Err(error);
            }
        };
        self.inbound.push(&mut messages);
        handled.map(|()| self.received.len() != before)
    }

    fn handle_packet(
        &mut self,
        packet: Packet,
        messages: &mut Vec<Message>,
    ) -> Result<(), ClientError> {
        let ended = match &packet {
            Packet::Puback(ack) => self.outgoing.handle_puback(ack)?,
            Packet::Pubrec(ack) => self.outgoing.handle_pubrec(ack)?,
            Packet::Pubcomp(ack) => self.outgoing.handle_pubcomp(ack)?,
            _ => return self.handle_other(packet, messages),
        };
        match (ended, packet) {
            (Acknowledged::Next(packet), _) => self.reply(&packet),
            (
                Acknowledged::Done(reason),
                Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubcomp(ack),
            ) => {
                if let Some(done) = self.publishes.remove(&ack.packet_id) {
                    let _ = done.send(reason);
                }
            }
            (Acknowledged::Done(_), _) => {}
        }
        Ok(())
    }

    fn handle_other(
        &mut self,
        packet: Packet,
        messages: &mut Vec<Message>,
    ) -> Result<(), ClientError> {
        match packet {
            Packet::Publish(publish) => match self.incoming.handle_publish(publish)? {
                Received::Message(publish, number) => {
                    let ack = Ack::new(Arc::clone(&self.shared), number);
                    messages.push(Message::new(publish, ack));
                }
                Received::Repeated(Some(packet)) => {
                    self.reply(&packet);
                }
                Received::Repeated(None) => {}
            },
            Packet::Pubrel(ack) => {
                let packet = self.incoming.handle_pubrel(ack.packet_id);
                self.reply(&packet);
            }
            Packet::Suback(packet::Suback { packet_id, reasons, .. })
            | Packet::Unsuback(packet::Unsuback { packet_id, reasons, .. }) => {
                self.outgoing.handle_answer(packet_id);
                if let Some(done) = self.requests.remove(&packet_id) {
                    let _ = done.send(reasons);
                }
            }
            Packet::Pingresp => self.pinged = false,
            Packet::Disconnect(disconnect) => {
                let text = disconnect.properties.reason_string.as_ref().map(ToString::to_string);
                return Err(ClientError::Disconnected { reason: disconnect.reason, text });
            }
            _ => {
                let what = "packet that only a client sends, or that was not asked for";
                return Err(Violation { reason: Reason::ProtocolError, what }.into());
            }
        }
        Ok(())
    }

    /// Asks for a sign of life once in a keep alive, and expects it within the next.
    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let Some(keep_alive) = self.keep_alive else { return Poll::Pending };
        std::task::ready!(self.ping.as_mut().poll(context));
        // Without room for messages the answer may lie unread.
        if self.pinged && self.inbound.has_room(context) {
            return Poll::Ready(Err(Closed::KeepAlive.into()));
        }
        self.pinged = true;
        self.put(&Packet::Pingreq);
        self.ping.as_mut().reset(Instant::now() + keep_alive);
        Poll::Ready(Ok(()))
    }
}
