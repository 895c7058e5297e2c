//! Inputs to begin with: for each target a few that get past the first checks.

use bytes::{BufMut, Bytes, BytesMut};
use klamm_kafka_proto::records::{BatchBuilder, Compression, Header, Producer};
use klamm_kafka_proto::{ApiKey, Request, Response};
use klamm_mqtt_proto::packet::{
    Ack, Connack, Connect, Disconnect, Packet, Publish, RetainHandling, Suback, Subscribe,
    SubscribeFilter, Will,
};
use klamm_mqtt_proto::{ProtocolVersion, QoS, Reason, TopicFilter, Utf8};

use crate::kafka;

/// Seeds of a target; none for a name that is no target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "kafka_request" => requests(),
        "kafka_response" => responses(),
        "kafka_records" => batches(),
        "mqtt_packet" => packets(),
        "mqtt_flow" => {
            (0..40).map(|seed| Seed(seed).bytes(150, &(0..=255).collect::<Vec<_>>())).collect()
        }
        "mqtt_topic" => TOPICS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        _ => Vec::new(),
    }
}

const TOPICS: &[&str] = &[
    "",
    "a",
    "/",
    "a/b",
    "+",
    "#",
    "a/#",
    "a/+/b",
    "+/+",
    "a#",
    "a+/b",
    "#/a",
    "$SYS/#",
    "ä/語",
    "$share/g/a/#",
    "$share//a",
    "$share/g",
    "$share/g/",
    "$share/+/a",
    "a\u{0}b",
    "\u{ffff}",
];

/// A small generator (splitmix64).
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn bytes(&mut self, length: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..length).map(|_| alphabet[self.next() as usize % alphabet.len()]).collect()
    }
}

/// Small counts and lengths, so that a random body is often a message.
const BODY: &[u8] = &[0, 0, 0, 0, 0, 1, 1, 2, 2, 3, b'a', 0xff];
const TRIES: u64 = 200;

/// Random bodies that are read as a message by `reads`, shortest nesting first.
fn bodies(reads: impl Fn(&mut Bytes) -> bool) -> Vec<Bytes> {
    let mut found = Vec::new();
    for seed in 0..TRIES {
        let body = Bytes::from(Seed(seed).bytes(300, BODY));
        let mut rest = body.clone();
        if reads(&mut rest) {
            found.push(body.slice(..body.len() - rest.len()));
        }
    }
    found.sort_by_key(|body| std::cmp::Reverse(body.len()));
    found.dedup();
    found.truncate(3);
    found
}

fn requests() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (key, version, empty, _) in kafka::defaults() {
        let random = bodies(|body| Request::read(key, version, body).is_ok());
        for body in random.into_iter().chain(empty) {
            // Arrives in pieces of 8 bytes.
            let mut out = vec![7];
            out.put_i32((request_header(key, version).len() + body.len()) as i32);
            out.extend_from_slice(&request_header(key, version));
            out.extend_from_slice(&body);
            seeds.push(out);
        }
    }
    seeds
}

fn request_header(key: ApiKey, version: i16) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i16(key as i16);
    out.put_i16(version);
    out.put_i32(1);
    out.put_i16(2);
    out.put_slice(b"me");
    if key.version(version).flexible {
        out.put_u8(0);
    }
    out
}

fn responses() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (key, version, _, empty) in kafka::defaults() {
        let api = ApiKey::ALL.iter().position(|known| *known == key).expect("all are there") as u8;
        let index = (version - key.versions().start()) as u8;
        let random = bodies(|body| Response::read(key, version, body).is_ok());
        for body in random.into_iter().chain(empty) {
            let mut out = vec![api, index, 0, 0, 0, 1];
            if klamm_kafka_proto::response_header_is_flexible(key, version) {
                out.push(0);
            }
            out.extend_from_slice(&body);
            seeds.push(out);
        }
    }
    seeds
}

fn batches() -> Vec<Vec<u8>> {
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    let mut seeds = Vec::new();
    for codec in codecs {
        for count in [1, 3, 40] {
            let producer = Producer { id: 9, epoch: 1, base_sequence: i32::MAX - 1 };
            let mut builder = BatchBuilder::new().compression(codec);
            if count == 3 {
                builder = builder.producer(producer);
            }
            for index in 0..count {
                let header = Header { key: Bytes::from_static(b"h"), value: None };
                let key = (index % 2 == 0).then_some(&b"key"[..]);
                let value = vec![b'v'; index * 20];
                builder.append(1_700_000_000_000 + index as i64, key, Some(&value), &[header]);
            }
            let batch = builder.build();
            for repair in [0, 1, 3] {
                let mut out = vec![repair];
                out.extend_from_slice(&batch);
                seeds.push(out.clone());
                // Two batches back to back, the second cut short.
                out.extend_from_slice(&batch[..batch.len() - 1]);
                seeds.push(out);
            }
        }
    }
    seeds
}

fn text(text: &str) -> Utf8 {
    Utf8::from_text(text).expect("a text")
}

fn connect(version: ProtocolVersion) -> Packet {
    let mut connect = Connect::new(version, text("me"));
    connect.user_name = Some(text("user"));
    connect.password = Some(Bytes::from_static(b"secret"));
    connect.will = Some(Will {
        topic: text("will"),
        payload: Bytes::from_static(b"gone"),
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Default::default(),
    });
    if version == ProtocolVersion::V5 {
        let fields = connect.properties.fields_mut();
        fields.receive_maximum = Some(9);
        fields.maximum_packet_size = Some(1 << 20);
        fields.topic_alias_maximum = Some(3);
        fields.session_expiry_interval = Some(60);
        fields.authentication_method = Some(text("PLAIN"));
        fields.authentication_data = Some(Bytes::from_static(b"x"));
        fields.user.push((text("name"), text("value")));
    }
    Packet::Connect(Box::new(connect))
}

fn publish(qos: QoS) -> Packet {
    let mut publish = Publish::new("a/b", qos, &b"21.5"[..]).expect("a topic name");
    publish.packet_id = (qos > QoS::AtMostOnce).then_some(3);
    let fields = publish.properties.fields_mut();
    fields.payload_format_indicator = Some(true);
    fields.message_expiry_interval = Some(60);
    fields.content_type = Some(text("text/plain"));
    fields.response_topic = Some(text("c/d"));
    fields.correlation_data = Some(Bytes::from_static(b"7"));
    fields.topic_alias = Some(2);
    fields.user = vec![(text("a"), text("1")), (text("a"), text("2"))];
    fields.subscription_identifiers = vec![1, 300];
    Packet::Publish(publish)
}

fn subscribe() -> Packet {
    let filter = SubscribeFilter {
        filter: TopicFilter::new(text("$share/g/a/+/#")).expect("a filter"),
        qos: QoS::ExactlyOnce,
        no_local: false,
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
    };
    let mut properties = klamm_mqtt_proto::Properties::default();
    properties.fields_mut().subscription_identifiers = vec![5];
    Packet::Subscribe(Subscribe { packet_id: 4, properties, filters: vec![filter.clone(), filter] })
}

fn packets() -> Vec<Vec<u8>> {
    let mut reasons = klamm_mqtt_proto::Properties::default();
    reasons.fields_mut().reason_string = Some(text("because"));
    let ack = Ack { packet_id: 3, reason: Reason::QuotaExceeded, properties: reasons.clone() };
    let packets = [
        publish(QoS::AtMostOnce),
        publish(QoS::AtLeastOnce),
        publish(QoS::ExactlyOnce),
        Packet::Connack(Connack {
            session_present: true,
            reason: Reason::Success,
            properties: reasons.clone(),
        }),
        Packet::Puback(ack.clone()),
        Packet::Pubrec(ack),
        Packet::Pubrel(Ack::new(3, Reason::Success)),
        Packet::Pubcomp(Ack::new(3, Reason::PacketIdentifierNotFound)),
        subscribe(),
        Packet::Suback(Suback {
            packet_id: 4,
            properties: Default::default(),
            reasons: vec![Reason::Success],
        }),
        Packet::Pingreq,
        Packet::Pingresp,
        Packet::Disconnect(Disconnect { reason: Reason::ServerBusy, properties: reasons }),
    ];
    let mut seeds = Vec::new();
    for (bit, version) in [(0, ProtocolVersion::V3), (1, ProtocolVersion::V5)] {
        for packet in packets.iter().chain([&connect(version)]) {
            let mut out = BytesMut::new();
            packet.encode(version, &mut out);
            let mut seed = vec![bit | 6];
            seed.extend_from_slice(&out);
            seeds.push(seed.clone());
            seed.extend_from_slice(&out);
            seeds.push(seed);
        }
    }
    seeds
}
