//! From an accepted socket to a session: CONNECT and its answer (MQTT 5.0 sections 3.1, 3.2).

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use klamm_mqtt_proto::packet::{Connack, Frame, Packet, Will, take_packet};
use klamm_mqtt_proto::{Properties, ProtocolVersion, Reason, Utf8, Violation, packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::event::reason_string;
use crate::outbox::{Outbox, Shared};
use crate::session::{Parts, PeerTerms, Session, Transport};
use crate::{Closed, QoS};

/// Bounds of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest packet taken, in bytes.
    pub packet_bytes: usize,
    /// Time for CONNECT to be there.
    pub connect: Duration,
    /// Time without progress after which half a packet, or output that is not taken, closes the connection.
    pub stalled: Duration,
    /// Bytes queued for a client by [`crate::Outbox::offer`].
    pub outbox_bytes: usize,
    /// QoS 1 and 2 messages of a client in flight to it, whatever it would take.
    pub in_flight: u16,
}

impl Default for Limits {
    /// Packets of 1 MiB, which is Kafka's own bound for messages; 10 s for CONNECT, 30 s of stall; 1 MiB queued;
    /// 1,024 in flight, above what a round trip of 25 ms at 40,000 messages a second needs.
    fn default() -> Self {
        Self {
            packet_bytes: 1 << 20,
            connect: Duration::from_secs(10),
            stalled: Duration::from_secs(30),
            outbox_bytes: 1 << 20,
            in_flight: 1024,
        }
    }
}

/// Largest CONNECT taken before anything is known of the peer: the longest client identifier, user name, password,
/// will topic and will payload that the specification allows, and as much for properties.
const CONNECT_BYTES_MAX: usize = 6 * 65_537;

/// Room for the usual CONNECT. A connection that says nothing holds this much until [`Limits::connect`] is over.
const CONNECT_BYTES: usize = 256;

/// A client that wants in.
#[derive(Debug)]
#[must_use = "a client waits for CONNACK"]
pub struct Connect {
    packet: Box<packet::Connect>,
    transport: Pin<Box<dyn Transport>>,
    shared: Arc<Shared>,
    received: BytesMut,
    limits: Limits,
    peer: SocketAddr,
    local: SocketAddr,
}

/// What a server offers a client (section 3.2.2.3). The session holds the client to receive maximum, topic aliases, packet
/// size, maximum QoS and retained messages; subscriptions that are not offered are for the server to refuse, filter by
/// filter.
#[derive(Debug, Clone)]
pub struct Accept {
    /// An earlier session goes on.
    pub session_present: bool,
    /// The identifier for a client that came without one; otherwise [`Session::client_id`] is a random one then.
    pub client_id: Option<Utf8>,
    /// QoS 1 and 2 messages the client may have unacknowledged.
    pub receive_maximum: u16,
    /// Highest topic alias the client may use.
    pub topic_alias_maximum: u16,
    /// Most the client may publish with, and be granted.
    pub maximum_qos: QoS,
    /// Whether RETAIN may be set.
    pub retain_available: bool,
    /// Whether filters may have wildcards.
    pub wildcard_subscriptions: bool,
    /// Whether subscriptions may have identifiers.
    pub subscription_identifiers: bool,
    /// Whether subscriptions may be shared.
    pub shared_subscriptions: bool,
    /// Seconds the session will outlive the connection, when not what the client asked for.
    pub session_expiry_interval: Option<u32>,
    /// Seconds of keep alive, when not the client's.
    pub server_keep_alive: Option<u16>,
}

impl Default for Accept {
    /// A new session, everything offered, 1,024 messages unacknowledged, 16 topic aliases.
    fn default() -> Self {
        Self {
            session_present: false,
            client_id: None,
            receive_maximum: 1024,
            topic_alias_maximum: 16,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            session_expiry_interval: None,
            server_keep_alive: None,
        }
    }
}

impl Connect {
    /// Reads CONNECT from a transport.
    ///
    /// # Errors
    /// When the client sends something else, too much, or nothing for too long. It has been answered as its protocol
    /// allows, and closed.
    pub async fn read(
        transport: impl Transport + 'static,
        peer: SocketAddr,
        local: SocketAddr,
        limits: Limits,
    ) -> Result<Self, Closed> {
        let mut transport: Pin<Box<dyn Transport>> = Box::pin(transport);
        let mut received = BytesMut::new();
        let first = read_first(&mut transport, &mut received, limits.packet_bytes);
        let read = timeout(limits.connect, first).await;
        let packet = read.unwrap_or(Err(Closed::Stalled("no CONNECT in time")))?;
        let shared = Shared::new(limits.outbox_bytes);
        let connect = Self { packet, transport, shared, received, limits, peer, local };
        if connect.properties().authentication_method.is_some() {
            let reason = Reason::BadAuthenticationMethod;
            connect.refuse_with(reason, Some("enhanced authentication is not offered")).await;
            return Err(Closed::ByUs(reason));
        }
        Ok(connect)
    }

    /// Ends what becomes of this connection, whoever has it then.
    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.shared))
    }

    /// The protocol it speaks.
    pub fn version(&self) -> ProtocolVersion {
        self.packet.version
    }

    /// What it calls itself; may be empty.
    pub fn client_id(&self) -> &Utf8 {
        &self.packet.client_id
    }

    /// It wants no earlier session.
    pub fn clean_start(&self) -> bool {
        self.packet.clean_start
    }

    /// Seconds; 0 for none.
    pub fn keep_alive(&self) -> u16 {
        self.packet.keep_alive
    }

    /// The message to send when it breaks off.
    pub fn will(&self) -> Option<&Will> {
        self.packet.will.as_ref()
    }

    /// Who it says it is.
    pub fn user_name(&self) -> Option<&Utf8> {
        self.packet.user_name.as_ref()
    }

    /// Its secret.
    pub fn password(&self) -> Option<&Bytes> {
        self.packet.password.as_ref()
    }

    /// What it asks for (MQTT 5).
    pub fn properties(&self) -> &Properties {
        &self.packet.properties
    }

    /// Its address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address it connected to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Lets it in.
    ///
    /// # Errors
    /// When the connection breaks before CONNACK is written, or the server is shutting down.
    pub async fn accept(mut self, mut accept: Accept) -> Result<Session, Closed> {
        let end = self.shared.state().end;
        if let Some(reason) = end {
            self.refuse(reason).await;
            return Err(Closed::ByUs(reason));
        }
        if self.packet.client_id.is_empty() {
            accept.client_id.get_or_insert_with(random_client_id);
        }
        let connack = Connack {
            session_present: accept.session_present,
            reason: Reason::Success,
            properties: self.offer(&accept),
        };
        self.send(connack).await?;
        let asked = &self.packet.properties;
        let terms = PeerTerms {
            packet_bytes: asked.maximum_packet_size.map_or(usize::MAX, |max| max as usize),
            problem_information: asked.request_problem_information.unwrap_or(true),
            expires_at_end: asked.session_expiry_interval.unwrap_or(0) == 0,
            receive_maximum: accept.receive_maximum,
            maximum_qos: accept.maximum_qos,
            retain_available: accept.retain_available,
        };
        let client_id = accept.client_id.unwrap_or(self.packet.client_id);
        Ok(Session::new(Parts {
            transport: self.transport,
            shared: self.shared,
            // Copied, if it is all there is: the room for CONNECT is given back.
            received: BytesMut::from(&self.received[..]),
            limits: self.limits,
            version: self.packet.version,
            client_id: Utf8::from_text(&client_id).unwrap_or_default(),
            keep_alive: accept.server_keep_alive.unwrap_or(self.packet.keep_alive),
            topic_alias_maximum: accept.topic_alias_maximum,
            peer_receive_maximum: asked
                .receive_maximum
                .unwrap_or(u16::MAX)
                .min(self.limits.in_flight),
            terms,
            peer: self.peer,
        }))
    }

    fn offer(&self, accept: &Accept) -> Properties {
        let mut properties = Properties::default();
        let fields = properties.fields_mut();
        fields.receive_maximum = Some(accept.receive_maximum);
        fields.topic_alias_maximum =
            (accept.topic_alias_maximum > 0).then_some(accept.topic_alias_maximum);
        fields.maximum_qos = match accept.maximum_qos {
            QoS::AtMostOnce => Some(false),
            QoS::AtLeastOnce => Some(true),
            QoS::ExactlyOnce => None,
        };
        // Absent means available (section 3.2.2.3).
        let refused = |available: bool| (!available).then_some(false);
        fields.retain_available = refused(accept.retain_available);
        fields.wildcard_subscription_available = refused(accept.wildcard_subscriptions);
        fields.subscription_identifier_available = refused(accept.subscription_identifiers);
        fields.shared_subscription_available = refused(accept.shared_subscriptions);
        fields.maximum_packet_size = u32::try_from(self.limits.packet_bytes).ok();
        fields.session_expiry_interval = accept.session_expiry_interval;
        fields.server_keep_alive = accept.server_keep_alive;
        fields.assigned_client_identifier = accept.client_id.clone();
        properties
    }

    /// Sends it away.
    pub async fn refuse(self, reason: Reason) {
        self.refuse_with(reason, None).await;
    }

    /// Sends it away and tells people why, where the protocol has room for that (MQTT 5).
    pub async fn refuse_with(mut self, reason: Reason, text: Option<&str>) {
        // [MQTT-3.2.2-19]: not beyond the client's maximum packet size; texts of ours are far below any sensible one.
        let room = self.packet.properties.maximum_packet_size.is_none_or(|max| max > 1024);
        let properties = reason_string(text.filter(|_| room));
        let connack = Connack { session_present: false, reason, properties };
        // It is being sent away: whether it hears why is its own affair.
        let _ = self.send(connack).await;
        let _ = self.transport.shutdown().await;
    }

    async fn send(&mut self, connack: Connack) -> Result<(), Closed> {
        let mut out = BytesMut::new();
        Packet::Connack(connack).encode(self.packet.version, &mut out);
        let sent = timeout(self.limits.stalled, self.transport.write_all(&out)).await;
        sent.map_err(|_| Closed::Stalled("CONNACK is not taken"))??;
        Ok(())
    }
}

async fn read_first(
    transport: &mut Pin<Box<dyn Transport>>,
    received: &mut BytesMut,
    packet_bytes: usize,
) -> Result<Box<packet::Connect>, Closed> {
    const FIRST: Violation = Violation {
        reason: Reason::ProtocolError,
        what: "first packet that is not CONNECT [MQTT-3.1.0-1]",
    };
    loop {
        // What does not begin as CONNECT need not be waited for.
        if received.first().is_some_and(|first| *first != 0x10) {
            let _ = transport.shutdown().await;
            return Err(FIRST.into());
        }
        match take_packet(received, packet_bytes.min(CONNECT_BYTES_MAX)) {
            Ok(Some(frame)) => match Packet::decode(ProtocolVersion::V5, frame.clone()) {
                Ok(Packet::Connect(connect)) => return Ok(connect),
                Ok(_) => return Err(FIRST.into()),
                Err(violation) => {
                    refuse_unread(transport, &frame, violation).await;
                    return Err(violation.into());
                }
            },
            Ok(None) => {}
            Err(violation) => {
                let _ = transport.shutdown().await;
                return Err(violation.into());
            }
        }
        received.reserve(CONNECT_BYTES);
        if transport.read_buf(received).await? == 0 {
            return Err(Closed::ByPeer);
        }
    }
}

/// Answers a CONNECT that cannot be taken, in the words of the protocol it claims to speak. 3.1.1 has words only for two
/// faults (table 3.1); for the rest it wants the connection closed.
async fn refuse_unread(
    transport: &mut Pin<Box<dyn Transport>>,
    frame: &Frame,
    violation: Violation,
) {
    let level = protocol_level(&frame.body);
    let in_v3 = [Reason::UnsupportedProtocolVersion, Reason::ClientIdentifierNotValid]
        .contains(&violation.reason);
    let version = match level {
        Some(5..) => ProtocolVersion::V5,
        _ if in_v3 => ProtocolVersion::V3,
        _ => {
            let _ = transport.shutdown().await;
            return;
        }
    };
    let properties = reason_string(Some(violation.what));
    let connack = Connack { session_present: false, reason: violation.reason, properties };
    let mut out = BytesMut::new();
    Packet::Connack(connack).encode(version, &mut out);
    // A peer that does not read it waits in vain; a CONNACK always fits an empty socket buffer.
    let _ = transport.write_all(&out).await;
    let _ = transport.shutdown().await;
}

/// The protocol level of a CONNECT, whose protocol name may be any.
fn protocol_level(body: &[u8]) -> Option<u8> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    rest.get(usize::from(u16::from_be_bytes(*length))).copied()
}

/// 96 random bits: unique over servers without asking any.
fn random_client_id() -> Utf8 {
    use std::hash::{BuildHasher, RandomState};
    let random = || RandomState::new().hash_one(0_u8);
    let text = format!("auto-{:016x}{:08x}", random(), random() as u32);
    Utf8::from_text(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
