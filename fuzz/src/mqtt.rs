//! MQTT packets of both versions; topic names and filters.

use bytes::{Bytes, BytesMut};
use klamm_mqtt_proto::packet::{Frame, Packet, Publish, take_packet};
use klamm_mqtt_proto::{
    Delivery, ProtocolVersion, Publication, QoS, TopicFilter, Utf8, check_topic_name,
};

/// No packet of a test is larger.
const PACKET_BYTES: usize = 1 << 16;

/// A stream of packets. The first byte says in which version it is read and in pieces of which size it arrives.
pub fn packets(data: &[u8]) {
    let Some((how, stream)) = data.split_first() else { return };
    let version = if how & 1 == 0 { ProtocolVersion::V3 } else { ProtocolVersion::V5 };
    for frame in frames_in_pieces(stream, usize::from(how >> 1) + 1) {
        packet(version, frame);
    }
    // Without a length that is right by chance: first byte and the rest as one packet.
    if let Some((first, body)) = stream.split_first() {
        packet(version, Frame { first: *first, body: Bytes::copy_from_slice(body) });
    }
}

/// Packets taken as they arrive are those of the whole stream.
fn frames_in_pieces(stream: &[u8], piece: usize) -> Vec<Frame> {
    let mut whole = BytesMut::from(stream);
    let mut expected = Vec::new();
    while let Ok(Some(frame)) = take_packet(&mut whole, PACKET_BYTES) {
        expected.push(frame);
    }
    let mut received = BytesMut::new();
    let mut frames = Vec::new();
    'stream: for bytes in stream.chunks(piece) {
        received.extend_from_slice(bytes);
        loop {
            match take_packet(&mut received, PACKET_BYTES) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => break 'stream,
            }
        }
    }
    assert_eq!(frames, expected, "packets depend on how they arrive");
    frames
}

fn packet(version: ProtocolVersion, frame: Frame) {
    let Ok(packet) = Packet::decode(version, frame) else { return };
    // CONNECT brings its own version.
    let version = match &packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    let mut out = BytesMut::new();
    packet.encode(version, &mut out);
    let written = out.clone().freeze();
    let frame = take_packet(&mut out, written.len())
        .expect("a length that was written")
        .expect("a whole packet");
    assert!(out.is_empty(), "bytes after the packet written");
    assert_eq!(Packet::decode(version, frame).as_ref(), Ok(&packet), "does not come back");
    peer(version, &packet, &written);
    if let Packet::Publish(publish) = &packet {
        publication(version, publish);
    }
}

/// When another codec reads the packet too, it reads the same: what it writes is that packet again.
fn peer(version: ProtocolVersion, packet: &Packet, written: &Bytes) {
    // It writes 3.1.1's failure (0x80) in SUBACK as 3.
    if version == ProtocolVersion::V3 && matches!(packet, Packet::Suback(_)) {
        return;
    }
    let again: Vec<u8> = match version {
        ProtocolVersion::V3 => match mqtt_proto::v3::Packet::decode(written) {
            Ok(Some(read)) => read.encode().expect("what was read").as_ref().to_vec(),
            _ => return,
        },
        ProtocolVersion::V5 => match mqtt_proto::v5::Packet::decode(written) {
            Ok(Some(read)) => read.encode().expect("what was read").as_ref().to_vec(),
            _ => return,
        },
    };
    let frame = take_packet(&mut BytesMut::from(&again[..]), PACKET_BYTES * 2)
        .expect("a length that was written")
        .expect("a whole packet");
    assert_eq!(Packet::decode(version, frame).as_ref(), Ok(packet), "the other codec disagrees");
}

/// A message encoded once and patched is the packet that the encoder writes.
fn publication(version: ProtocolVersion, publish: &Publish) {
    let mut properties = publish.properties.clone();
    let identifiers = std::mem::take(&mut properties.fields_mut().subscription_identifiers);
    let once = Publication::new(publish.topic.clone(), properties, publish.payload.clone());
    let identifiers = if version == ProtocolVersion::V5 { &identifiers[..] } else { &[] };
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let delivery = Delivery {
            version,
            dup: publish.dup && qos > QoS::AtMostOnce,
            qos,
            retain: publish.retain,
            packet_id: 7,
            expiry_seconds: Some(77),
            subscription_identifiers: identifiers,
        };
        let mut patched = BytesMut::new();
        let rest = once.write(&delivery, &mut patched);
        patched.extend_from_slice(&rest.unwrap_or_default());
        assert_eq!(patched.len(), once.packet_bytes(&delivery));
        let mut expected = publish.clone();
        expected.dup = delivery.dup;
        expected.qos = qos;
        expected.packet_id = (qos > QoS::AtMostOnce).then_some(7);
        if expected.properties.message_expiry_interval.is_some() {
            expected.properties.fields_mut().message_expiry_interval = delivery.expiry_seconds;
        }
        let frame = take_packet(&mut patched, usize::MAX).unwrap().expect("a whole packet");
        assert_eq!(Packet::decode(version, frame), Ok(Packet::Publish(expected)));
    }
}

/// A topic name or filter: the parser agrees with the specification's rules, told one by one.
pub fn topic(data: &[u8]) {
    let Ok(text) = Utf8::new(Bytes::copy_from_slice(data)) else {
        let broken = data.len() > 65_535 || data.contains(&0) || std::str::from_utf8(data).is_err();
        assert!(broken, "text refused that is none of too long, U+0000 and not UTF-8");
        return;
    };
    assert_eq!(text.as_bytes(), data);
    let name_allowed = !text.is_empty() && !text.contains('+') && !text.contains('#');
    assert_eq!(check_topic_name(&text).is_ok(), name_allowed, "{text:?}");
    let shared = text.strip_prefix("$share/");
    let (share, filter) = match shared.map(|rest| rest.split_once('/')) {
        None => (None, Some(&*text)),
        Some(None) => (None, None),
        Some(Some((share, filter))) => (Some(share), Some(filter)),
    };
    let share_allowed = share.is_none_or(|s| !s.is_empty() && !s.contains(['+', '#']));
    let allowed = share_allowed && filter.is_some_and(filter_allowed);
    match TopicFilter::new(text.clone()) {
        Ok(parsed) => {
            assert!(allowed, "{text:?} was taken");
            assert_eq!((parsed.share(), Some(parsed.filter())), (share, filter));
            assert_eq!(parsed.as_str(), &*text);
        }
        Err(violation) => assert!(!allowed, "{text:?} was refused: {violation}"),
    }
}

/// Section 4.7.1: `#` alone in the last level, `+` alone in its level.
fn filter_allowed(filter: &str) -> bool {
    let bytes = filter.as_bytes();
    let alone = |at: usize| {
        (at == 0 || bytes[at - 1] == b'/') && (at + 1 == bytes.len() || bytes[at + 1] == b'/')
    };
    !filter.is_empty()
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'#' => alone(at) && at + 1 == bytes.len(),
            b'+' => alone(at),
            _ => true,
        })
}
