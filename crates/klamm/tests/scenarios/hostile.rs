//! Clients that send what they should not, or do not take what they asked for.

use std::io::{Read, Write};
use std::net::TcpStream;

use klamm_mqtt_proto::packet::{Connect, Packet};
use klamm_mqtt_proto::{ProtocolVersion, QoS, Reason, Utf8};
use klamm_testkit::{Klamm, PATIENCE, Skip};

use crate::support::mqtt::Mqtt;
use crate::world::{Log, World};

const V3: ProtocolVersion = ProtocolVersion::V3;
const V5: ProtocolVersion = ProtocolVersion::V5;

/// Memory that a server may take on for one hostile client of these scenarios: far more than it needs, far less than
/// what the client claims to send or has others send to it.
const GROWTH_BYTES: u64 = 96 << 20;

/// Two clients that talk to each other all the while.
struct Bystanders {
    publisher: Mqtt,
    subscriber: Mqtt,
    count: u32,
}

impl Bystanders {
    fn new(klamm: &Klamm) -> Self {
        let mut subscriber = Mqtt::connect(&klamm.mqtt(), V5, "bystander-sub").unwrap();
        subscriber.subscribe("bystander/+", QoS::AtLeastOnce);
        let publisher = Mqtt::connect(&klamm.mqtt(), V3, "bystander-pub").unwrap();
        Self { publisher, subscriber, count: 0 }
    }

    /// A message goes through.
    fn assert_served(&mut self) {
        self.count += 1;
        let payload = format!("message {}", self.count);
        self.publisher.publish_acknowledged("bystander/a", payload.clone());
        assert_eq!(self.subscriber.message().payload, payload);
    }
}

pub fn oversized_packet_is_refused_and_others_go_on(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&["--mqtt-max-packet", "64KiB"])?;
    let mut bystanders = Bystanders::new(&klamm);
    let payload = vec![b'x'; 65 << 10];
    for (version, id) in [(V3, "old"), (V5, "new")] {
        let mut client = Mqtt::connect(&klamm.mqtt(), version, id).unwrap();
        client.publish_acknowledged("size/fits", vec![b'x'; 60 << 10]);
        // The server may close before it has read everything.
        let _ = client.publish("size/large", payload.clone(), Some(1));
        let last = client.until_closed();
        match version {
            V3 => assert_eq!(last, []),
            V5 => {
                let told = last.iter().any(|packet| {
                    matches!(packet, Packet::Disconnect(d) if d.reason == Reason::PacketTooLarge)
                });
                // A reset on the way may swallow the word, but nothing else may stand in its place.
                assert!(told || last.is_empty(), "{last:?}");
            }
        }
        bystanders.assert_served();
    }
    // A length of 256 MiB is refused from its four bytes.
    let mut client = Mqtt::connect(&klamm.mqtt(), V5, "claims").unwrap();
    client.send_bytes(b"\x30\xff\xff\xff\x7f").unwrap();
    let last = client.until_closed();
    assert!(
        matches!(&last[..], [Packet::Disconnect(d)] if d.reason == Reason::PacketTooLarge),
        "{last:?}"
    );
    bystanders.assert_served();
    let stored = world.kafka(&klamm).records(&world.topic());
    let large = stored.iter().filter(|r| r.key.as_deref() == Some(b"size/large")).count();
    assert_eq!(large, 0, "a packet above the limit was stored");
    Ok(())
}

/// Bytes after CONNECT that no client may send, with the reason an MQTT 5 client is told.
const MALFORMED: &[(&[u8], Reason)] = &[
    (b"\0\0", Reason::MalformedPacket),
    (b"\x36\x05\0\x01a\0\x01", Reason::MalformedPacket),
    (b"\x30\x04\0\x01\xff\0", Reason::MalformedPacket),
    (b"\x30\x80\x80\x80\x80\x01", Reason::MalformedPacket),
    (b"\x32\x06\0\x01a\0\0\0", Reason::MalformedPacket),
    (b"\x30\x04\0\x01+\0", Reason::TopicNameInvalid),
    (b"\x82\x03\0\x01\0", Reason::ProtocolError),
    (b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0", Reason::ProtocolError),
    (b"\x20\x03\0\0\0", Reason::ProtocolError),
];

pub fn malformed_packets_close_their_connection_alone(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut bystanders = Bystanders::new(&klamm);
    for (number, (bytes, reason)) in MALFORMED.iter().enumerate() {
        let mut client = Mqtt::connect(&klamm.mqtt(), V5, &format!("bad-{number}")).unwrap();
        client.send_bytes(bytes).unwrap();
        let last = client.until_closed();
        assert!(
            matches!(&last[..], [Packet::Disconnect(d)] if d.reason == *reason),
            "{bytes:x?} was answered by {last:?}, not {reason:?}"
        );
        bystanders.assert_served();
    }
    // In place of CONNECT: nothing of it is answered, but it is closed and told in the log.
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x30\x03\0\x01a", &[0xff; 64]] {
        let mut client = Mqtt::open(&klamm.mqtt(), V3).unwrap();
        client.send_bytes(bytes).unwrap();
        assert_eq!(client.until_closed(), [], "{bytes:x?}");
    }
    // A will is refused while wills are not offered, not passed over.
    let mut connect = Connect::new(V3, Utf8::from_text("will").unwrap());
    connect.clean_start = false;
    assert!(Mqtt::connect_as(&klamm.mqtt(), connect).is_err(), "a session that outlives it");
    bystanders.assert_served();
    // Each got a line that says what was wrong; none of them brought more than itself down.
    let output = klamm.output();
    for word in ["QoS 3", "wildcards"] {
        assert!(output.contains(word), "no line about '{word}' in\n{output}");
    }
    Ok(())
}

pub fn malformed_kafka_frames_close_their_connection_alone(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut bystanders = Bystanders::new(&klamm);
    let frames: &[&[u8]] = &[
        // 2 GiB less one byte, a negative length, another protocol.
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        // Metadata 1 with 2^31 - 1 topics; an API that does not exist; a request cut short by its own length.
        b"\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\x7f\xff\xff\xff",
        b"\0\0\0\x0a\x7f\xff\0\0\0\0\0\x01\xff\xff",
        b"\0\0\0\x04\0\x03\0\x01",
    ];
    let before = (world.log == Log::Embedded).then(|| klamm.resident_bytes());
    for frame in frames {
        let mut stream = TcpStream::connect(klamm.kafka()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(frame).unwrap();
        let mut answer = Vec::new();
        // Closed, with or without a reset; never left open, never answered as if it were a request.
        let closed = stream.read_to_end(&mut answer);
        let in_time = closed.as_ref().map_or_else(|error| !is_timeout(error), |_| true);
        assert!(in_time, "{frame:x?} left its connection open");
        bystanders.assert_served();
    }
    if let Some(before) = before {
        let now = klamm.resident_bytes();
        assert!(now < before + GROWTH_BYTES, "{before} bytes before, {now} after");
    }
    assert!(world.kafka(&klamm).partitions(&world.topic()) > 0, "Kafka clients are served");
    Ok(())
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

pub fn silence_and_half_a_packet_cost_nothing_and_are_closed(
    world: &World<'_>,
) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut bystanders = Bystanders::new(&klamm);
    let before = klamm.resident_bytes();
    let half: Vec<Mqtt> = (0..200)
        .map(|number| {
            let mut client = Mqtt::connect(&klamm.mqtt(), V5, &format!("half-{number}")).unwrap();
            // The head of a packet just below the limit of 1 MiB, and then nothing.
            client.send_bytes(b"\x30\xf0\xff\x3f\0\x01a\0").unwrap();
            client
        })
        .collect();
    bystanders.assert_served();
    let now = klamm.resident_bytes();
    assert!(now < before + GROWTH_BYTES, "{before} bytes before, {now} after");
    // Nor do they stay: half a packet, half a CONNECT and no byte at all are closed, each with a line that says so.
    let silent = Mqtt::open(&klamm.mqtt(), V3).unwrap();
    let mut begun = Mqtt::open(&klamm.mqtt(), V3).unwrap();
    begun.send_bytes(b"\x10\x10\0\x04MQ").unwrap();
    assert_eq!(silent.until_closed(), []);
    assert_eq!(begun.until_closed(), []);
    for client in half {
        let last = client.until_closed();
        assert!(matches!(&last[..], [] | [Packet::Disconnect(_)]), "{last:?}");
    }
    let output = klamm.output();
    for word in ["no CONNECT in time", "half a packet"] {
        assert!(output.contains(word), "no line about '{word}' in\n{output}");
    }
    bystanders.assert_served();
    Ok(())
}

/// Messages of which a slow subscriber reads few: more than the sockets and its queue hold.
const BACKLOG: usize = 2000;
/// It reads one when this many were sent. Without any it would be closed as stalled, on a machine slow enough.
const SENT_FOR_ONE_READ: usize = 10;
/// Bytes of each; 2,000 of them are 131 MB.
const PAYLOAD_BYTES: usize = 64 << 10;

pub fn slow_subscriber_gets_everything_and_holds_up_nobody(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut slow = Mqtt::connect(&klamm.mqtt(), V5, "slow").unwrap();
    slow.subscribe("flood/+", QoS::AtLeastOnce);
    let mut quick = Mqtt::connect(&klamm.mqtt(), V5, "quick").unwrap();
    quick.subscribe("flood/+", QoS::AtLeastOnce);
    let mut publisher = Mqtt::connect(&klamm.mqtt(), V3, "publisher").unwrap();
    let payload = |number: usize| {
        let mut bytes = vec![b'.'; PAYLOAD_BYTES];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        bytes
    };
    let before = klamm.resident_bytes();
    let number = |payload: &[u8]| u64::from_be_bytes(payload[..8].try_into().unwrap());
    let mut read = 0;
    for sent in 0..BACKLOG {
        publisher.publish_acknowledged("flood/a", payload(sent));
        // The quick one has each before the next is sent, whatever the slow one does.
        assert_eq!(number(&quick.message().payload), sent as u64);
        if sent % SENT_FOR_ONE_READ == SENT_FOR_ONE_READ - 1 {
            assert_eq!(number(&slow.message().payload), read as u64);
            read += 1;
        }
    }
    let now = klamm.resident_bytes();
    assert!(now < before + GROWTH_BYTES, "{before} bytes before, {now} after the backlog");
    // Now it reads the rest: from the log, every message once and in order.
    for expected in read..BACKLOG {
        assert_eq!(number(&slow.message().payload), expected as u64);
    }
    // Caught up, it gets new ones as they come.
    publisher.publish_acknowledged("flood/a", payload(BACKLOG));
    assert_eq!(number(&slow.message().payload), BACKLOG as u64);
    Ok(())
}
