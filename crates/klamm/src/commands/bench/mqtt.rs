//! Loads over MQTT, on the codec itself: a load tool must not be what is measured.

use bytes::{Bytes, BytesMut};
use klamm_mqtt_proto::packet::{Connect, Packet, Publish, Subscribe, SubscribeFilter, take_packet};
use klamm_mqtt_proto::{ProtocolVersion, QoS, Reason, TopicFilter, Utf8};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::commands::{MQTT_DEFAULT, unreachable};

pub mod connect;
pub mod fanout;
pub mod publish;

/// The largest packet that MQTT knows: what comes from the server under load is the server's choice.
const PACKET_BYTES_MAX: usize = 268_435_460;
const READ_BYTES: usize = 64 << 10;

/// Where.
#[derive(Debug, Clone, clap::Args)]
struct Target {
    /// The MQTT server
    #[arg(long, default_value = MQTT_DEFAULT, value_name = "HOST:PORT")]
    mqtt: String,

    /// Protocol: 4 for 3.1.1, 5 for 5.0
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(4..=5))]
    version: u8,
}

impl Target {
    fn version(&self) -> ProtocolVersion {
        if self.version == 5 { ProtocolVersion::V5 } else { ProtocolVersion::V3 }
    }

    async fn connect(&self, client_id: &str) -> Result<Line, String> {
        let connected = Line::connect(&self.mqtt, self.version(), client_id).await;
        connected.map_err(|error| unreachable(&self.mqtt, error))
    }
}

/// A connection of packets.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    version: ProtocolVersion,
    received: BytesMut,
    out: BytesMut,
}

impl Line {
    async fn connect(
        server: &str,
        version: ProtocolVersion,
        client_id: &str,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(server).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut line = Self { stream, version, received: BytesMut::new(), out: BytesMut::new() };
        let client_id = Utf8::from_text(client_id).map_err(|error| error.to_string())?;
        let mut connect = Connect::new(version, client_id);
        connect.keep_alive = 0;
        line.put(&Packet::Connect(Box::new(connect)));
        line.flush().await?;
        match line.next().await? {
            Packet::Connack(connack) if connack.reason == Reason::Success => Ok(line),
            Packet::Connack(connack) => Err(format!("refused: {}", connack.reason.text())),
            other => Err(format!("answered CONNECT with {other:?}")),
        }
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<(), String> {
        let text = Utf8::from_text(filter).map_err(|error| error.to_string())?;
        let filter = TopicFilter::new(text).map_err(|error| error.to_string())?;
        self.put(&Packet::Subscribe(Subscribe {
            packet_id: 1,
            properties: Default::default(),
            filters: vec![SubscribeFilter::new(filter, qos)],
        }));
        self.flush().await?;
        match self.next().await? {
            Packet::Suback(suback) if suback.reasons.iter().any(|reason| reason.is_failure()) => {
                Err("the subscription was refused".into())
            }
            Packet::Suback(_) => Ok(()),
            other => Err(format!("answered SUBSCRIBE with {other:?}")),
        }
    }

    fn put(&mut self, packet: &Packet) {
        packet.encode(self.version, &mut self.out);
    }

    /// Writes what was put.
    async fn flush(&mut self) -> Result<(), String> {
        let written = self.stream.write_all(&self.out).await;
        self.out.clear();
        written.map_err(|error| error.to_string())
    }

    /// The next packet. Cancel-safe.
    async fn next(&mut self) -> Result<Packet, String> {
        loop {
            if let Some(packet) = self.received()? {
                return Ok(packet);
            }
            self.received.reserve(READ_BYTES);
            let read = self.stream.read_buf(&mut self.received).await;
            if read.map_err(|error| error.to_string())? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }

    /// A packet that is here already.
    fn received(&mut self) -> Result<Option<Packet>, String> {
        let frame = take_packet(&mut self.received, PACKET_BYTES_MAX);
        let packet = frame
            .and_then(|frame| frame.map(|frame| Packet::decode(self.version, frame)).transpose());
        packet.map_err(|violation| violation.to_string())
    }
}

/// A PUBLISH encoded once; its packet identifier and the first bytes of its payload are patched.
#[derive(Debug)]
struct Template {
    bytes: BytesMut,
    packet_id_at: usize,
    payload_at: usize,
}

impl Template {
    fn new(version: ProtocolVersion, topic: &str, qos: QoS, size: usize) -> Result<Self, String> {
        let payload = Bytes::from(vec![b'x'; size]);
        let mut publish = Publish::new(topic, qos, payload).map_err(|error| error.to_string())?;
        publish.packet_id = (qos > QoS::AtMostOnce).then_some(1);
        let mut bytes = BytesMut::new();
        Packet::Publish(publish).encode(version, &mut bytes);
        let payload_at = bytes.len() - size;
        let properties = usize::from(version == ProtocolVersion::V5);
        Ok(Self { packet_id_at: payload_at.saturating_sub(properties + 2), payload_at, bytes })
    }

    fn set_packet_id(&mut self, id: u16) {
        self.bytes[self.packet_id_at..][..2].copy_from_slice(&id.to_be_bytes());
    }

    fn set_time(&mut self, nanoseconds: u64) {
        self.bytes[self.payload_at..][..8].copy_from_slice(&nanoseconds.to_be_bytes());
    }
}

fn qos(number: u8) -> QoS {
    QoS::from_number(number).unwrap_or_default()
}
