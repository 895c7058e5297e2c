//! A client of single frames, for tests.

use std::time::Duration;

use bytes::BytesMut;
use klamm_mqtt_proto::packet::{self, Connack, Packet, take_packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{Accept, Closed, Connect, Limits, ProtocolVersion, Reason, Session, Utf8};

pub(crate) const V3: ProtocolVersion = ProtocolVersion::V3;
pub(crate) const V5: ProtocolVersion = ProtocolVersion::V5;

/// The client's end of a pipe.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: DuplexStream,
    pub(crate) version: ProtocolVersion,
    received: BytesMut,
}

impl Wire {
    /// Pipe of so many bytes, and its server's end.
    pub(crate) fn new(version: ProtocolVersion, bytes: usize) -> (Self, DuplexStream) {
        let (stream, far) = tokio::io::duplex(bytes);
        (Self { stream, version, received: BytesMut::new() }, far)
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        let mut out = BytesMut::new();
        packet.encode(self.version, &mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet, or `None` when the server has closed.
    pub(crate) async fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(frame) = take_packet(&mut self.received, 1 << 28).unwrap() {
                return Some(Packet::decode(self.version, frame).unwrap());
            }
            if self.stream.read_buf(&mut self.received).await.unwrap() == 0 {
                assert!(self.received.is_empty(), "half a packet: {:?}", self.received);
                return None;
            }
        }
    }

    /// The reason of the DISCONNECT that comes next (MQTT 5) and the close after it; `None` for a mere close.
    pub(crate) async fn sent_away(&mut self) -> Option<Reason> {
        match self.receive().await {
            Some(Packet::Disconnect(disconnect)) => {
                assert_eq!(self.receive().await, None);
                Some(disconnect.reason)
            }
            None => None,
            Some(other) => panic!("{other:?}"),
        }
    }

    pub(crate) async fn nothing_comes(&mut self) {
        let wait = tokio::time::timeout(Duration::from_secs(1), self.receive());
        if let Ok(packet) = wait.await {
            panic!("{packet:?}");
        }
    }
}

pub(crate) fn connect_packet(version: ProtocolVersion) -> packet::Connect {
    let mut connect = packet::Connect::new(version, Utf8::from_text("probe").unwrap());
    connect.keep_alive = 0;
    connect
}

pub(crate) async fn read(far: DuplexStream, limits: Limits) -> Result<Connect, Closed> {
    let address = "127.0.0.1:1".parse().unwrap();
    Connect::read(far, address, address, limits).await
}

/// A client that was let in, by its CONNECT.
pub(crate) async fn let_in(
    connect: packet::Connect,
    accept: Accept,
    limits: Limits,
) -> (Wire, Session, Connack) {
    let (mut wire, far) = Wire::new(connect.version, 1 << 20);
    wire.send(Packet::Connect(Box::new(connect))).await;
    let session = read(far, limits).await.unwrap().accept(accept).await.unwrap();
    let Some(Packet::Connack(connack)) = wire.receive().await else { panic!("no CONNACK") };
    assert_eq!(connack.reason, Reason::Success);
    (wire, session, connack)
}

pub(crate) async fn usual(version: ProtocolVersion) -> (Wire, Session) {
    let (wire, session, _) =
        let_in(connect_packet(version), Accept::default(), Limits::default()).await;
    (wire, session)
}

/// Runs a session whose events nobody heeds to its end.
pub(crate) fn ends(mut session: Session) -> tokio::task::JoinHandle<Option<Closed>> {
    tokio::spawn(async move {
        loop {
            match session.next().await {
                Some(Ok(event)) => drop(event),
                Some(Err(closed)) => return Some(closed),
                None => return None,
            }
        }
    })
}
