//! An MQTT client that sends and receives single packets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use bytes::BytesMut;
use klamm_mqtt_proto::packet::{
    Ack, Connect, Packet, Publish, RetainHandling, Subscribe, SubscribeFilter, take_packet,
};
use klamm_mqtt_proto::{ProtocolVersion, QoS, Reason, TopicFilter, Utf8};
use klamm_testkit::PATIENCE;

/// Larger than any packet a test receives.
const PACKET_BYTES: usize = 16 << 20;

/// A connection after CONNACK.
#[derive(Debug)]
pub struct Mqtt {
    stream: TcpStream,
    received: BytesMut,
    version: ProtocolVersion,
}

impl Mqtt {
    /// Connects with a client identifier.
    pub fn connect(address: &str, version: ProtocolVersion, id: &str) -> std::io::Result<Self> {
        Self::connect_as(
            address,
            Connect::new(version, Utf8::from_text(id).expect("an identifier")),
        )
    }

    /// Connects with a CONNECT of the test's making.
    pub fn connect_as(address: &str, connect: Connect) -> std::io::Result<Self> {
        let mut client = Self::open(address, connect.version)?;
        client.send(&Packet::Connect(Box::new(connect)))?;
        match client.receive()? {
            Some(Packet::Connack(connack)) if connack.reason == Reason::Success => Ok(client),
            other => Err(std::io::Error::other(format!("no success but {other:?}"))),
        }
    }

    /// Opens the connection and sends nothing.
    pub fn open(address: &str, version: ProtocolVersion) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, received: BytesMut::new(), version })
    }

    /// Sends a packet.
    pub fn send(&mut self, packet: &Packet) -> std::io::Result<()> {
        let mut out = BytesMut::new();
        packet.encode(self.version, &mut out);
        self.send_bytes(&out)
    }

    /// Sends bytes, a packet or not.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet; `None` when the other side closed the connection.
    pub fn receive(&mut self) -> std::io::Result<Option<Packet>> {
        loop {
            let taken = take_packet(&mut self.received, PACKET_BYTES);
            let taken = taken.map_err(|violation| std::io::Error::other(violation.to_string()))?;
            if let Some(frame) = taken {
                let packet = Packet::decode(self.version, frame);
                return packet.map(Some).map_err(|v| std::io::Error::other(v.to_string()));
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Subscribes and waits for SUBACK.
    pub fn subscribe(&mut self, filter: &str, qos: QoS) {
        let filter = TopicFilter::new(Utf8::from_text(filter).unwrap()).unwrap();
        let filter = SubscribeFilter {
            filter,
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        };
        let properties = Default::default();
        let subscribe = Subscribe { packet_id: 1, properties, filters: vec![filter] };
        self.send(&Packet::Subscribe(subscribe)).unwrap();
        match self.receive().unwrap() {
            Some(Packet::Suback(suback)) => assert_eq!(suback.reasons, [reason(qos)]),
            other => panic!("no SUBACK but {other:?}"),
        }
    }

    /// Sends a message of QoS 0 or 1 and does not wait.
    pub fn publish(
        &mut self,
        topic: &str,
        payload: impl Into<bytes::Bytes>,
        packet_id: Option<u16>,
    ) -> std::io::Result<()> {
        let qos = if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let mut publish = Publish::new(topic, qos, payload).expect("a topic name");
        publish.packet_id = packet_id;
        self.send(&Packet::Publish(publish))
    }

    /// Sends a message of QoS 1 and waits for its PUBACK.
    pub fn publish_acknowledged(&mut self, topic: &str, payload: impl Into<bytes::Bytes>) {
        self.publish(topic, payload, Some(1)).unwrap();
        let puback = self.receive().unwrap();
        let expected = Packet::Puback(Ack::new(1, Reason::Success));
        assert_eq!(puback, Some(expected), "the message was not taken");
    }

    /// The next message, acknowledged if it asks for it.
    pub fn message(&mut self) -> Publish {
        match self.receive().unwrap() {
            Some(Packet::Publish(publish)) => {
                if let Some(id) = publish.packet_id {
                    assert_eq!(publish.qos, QoS::AtLeastOnce, "the client takes QoS 0 and 1");
                    self.send(&Packet::Puback(Ack::new(id, Reason::Success))).unwrap();
                }
                publish
            }
            other => panic!("no message but {other:?}"),
        }
    }

    /// Everything until the other side closes: the last packets.
    pub fn until_closed(mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(packet) = self.receive().expect("the connection is closed in time") {
            packets.push(packet);
        }
        packets
    }

    /// Ends the connection without a word.
    pub fn cut(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn reason(qos: QoS) -> Reason {
    Reason::from_number(qos as u8).expect("0, 1 and 2 are reasons")
}
