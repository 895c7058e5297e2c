use bytes::BytesMut;
use klamm_mqtt_proto::packet::Packet;

use super::*;
use crate::testing::{V3, V5, Wire, connect_packet, let_in, read};

/// What a server says to these first bytes: its answer, and why it closed.
async fn first(bytes: &[u8], answer: ProtocolVersion) -> (Option<Packet>, Closed) {
    let (mut wire, far) = Wire::new(answer, 1 << 20);
    wire.send_bytes(bytes).await;
    let closed = read(far, Limits::default()).await.unwrap_err();
    let said = wire.receive().await;
    if said.is_some() {
        assert_eq!(wire.receive().await, None, "closed after the answer");
    }
    (said, closed)
}

fn refused(packet: Option<Packet>) -> Reason {
    match packet {
        Some(Packet::Connack(connack)) => connack.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn version_that_is_not_served_is_told_in_its_own_words() {
    let connect = |level| [&b"\x10\x0d\0\x04MQTT"[..], &[level], b"\x02\0\x3c\0\x01a"].concat();
    let (answer, _) = first(&connect(3), V3).await;
    assert_eq!(refused(answer), Reason::UnsupportedProtocolVersion);
    let (answer, _) = first(&connect(6), V5).await;
    assert_eq!(refused(answer), Reason::UnsupportedProtocolVersion);
    let old = b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01a";
    let (answer, closed) = first(old, V3).await;
    assert_eq!(refused(answer), Reason::UnsupportedProtocolVersion);
    assert!(closed.to_string().contains("[MQTT-3.1.2-2]"), "{closed}");
}

#[tokio::test(start_paused = true)]
async fn malformed_connect_is_told_to_mqtt_5_and_closed_for_3_1_1() {
    let reserved_flag =
        |level| [&b"\x10\x0d\0\x04MQTT"[..], &[level, 3], b"\0\x3c\0\x01a"].concat();
    let (answer, _) = first(&reserved_flag(4), V3).await;
    assert_eq!(answer, None);
    let (answer, _) = first(&reserved_flag(5), V5).await;
    assert_eq!(refused(answer), Reason::MalformedPacket);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_begin_with_connect_is_closed_at_once() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\xc0\0", b"\x30", b"\x16\x03\x01"] {
        let (answer, closed) = first(bytes, V5).await;
        assert_eq!(answer, None, "{bytes:?}");
        assert!(closed.to_string().contains("[MQTT-3.1.0-1]"), "{closed}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_identifier_needs_a_clean_session_in_3_1_1() {
    let (answer, _) = first(b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0", V3).await;
    assert_eq!(refused(answer), Reason::ClientIdentifierNotValid);
    let mut connect = connect_packet(V3);
    connect.client_id = Utf8::default();
    let (_, session, _) = let_in(connect, Accept::default(), Limits::default()).await;
    assert!(session.client_id().starts_with("auto-"));
}

#[tokio::test(start_paused = true)]
async fn assigned_identifier_is_told_to_mqtt_5() {
    let mut connect = connect_packet(V5);
    connect.client_id = Utf8::default();
    let (_, session, connack) = let_in(connect.clone(), Accept::default(), Limits::default()).await;
    assert_eq!(connack.properties.assigned_client_identifier.as_ref(), Some(session.client_id()));
    let chosen = Utf8::from_text("chosen").ok();
    let accept = Accept { client_id: chosen.clone(), ..Accept::default() };
    let (_, _, connack) = let_in(connect, accept, Limits::default()).await;
    assert_eq!(connack.properties.assigned_client_identifier, chosen);
    let (_, _, connack) = let_in(connect_packet(V5), Accept::default(), Limits::default()).await;
    assert_eq!(connack.properties.assigned_client_identifier, None);
}

#[tokio::test(start_paused = true)]
async fn enhanced_authentication_is_refused() {
    let (mut wire, far) = Wire::new(V5, 4096);
    let mut connect = connect_packet(V5);
    connect.properties.fields_mut().authentication_method = Utf8::from_text("SCRAM").ok();
    wire.send(Packet::Connect(Box::new(connect))).await;
    let closed = read(far, Limits::default()).await.unwrap_err();
    assert!(matches!(closed, Closed::ByUs(Reason::BadAuthenticationMethod)));
    assert_eq!(refused(wire.receive().await), Reason::BadAuthenticationMethod);
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_connect_are_closed_in_time() {
    for bytes in [&b""[..], b"\x10", b"\x10\x0d\0\x04MQTT"] {
        let (mut wire, far) = Wire::new(V5, 4096);
        wire.send_bytes(bytes).await;
        let closed = read(far, Limits::default()).await.unwrap_err();
        assert!(matches!(closed, Closed::Stalled("no CONNECT in time")), "{closed}");
        assert_eq!(wire.receive().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn length_of_a_huge_connect_is_enough_to_refuse_it() {
    let (answer, closed) = first(b"\x10\xff\xff\xff\x7f", V5).await;
    assert_eq!(answer, None);
    assert!(matches!(closed, Closed::Violation(v) if v.reason == Reason::PacketTooLarge));
    let (_, closed) = first(b"\x10\xff\xff\xff\xff\x7f", V5).await;
    assert!(matches!(closed, Closed::Violation(v) if v.reason == Reason::MalformedPacket));
}

#[tokio::test(start_paused = true)]
async fn offers_stand_in_connack() {
    let accept = Accept {
        receive_maximum: 7,
        topic_alias_maximum: 0,
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        shared_subscriptions: false,
        session_expiry_interval: Some(0),
        server_keep_alive: Some(9),
        ..Accept::default()
    };
    let (_, _, connack) = let_in(connect_packet(V5), accept, Limits::default()).await;
    let told = &connack.properties;
    assert_eq!((told.receive_maximum, told.topic_alias_maximum), (Some(7), None));
    assert_eq!((told.maximum_qos, told.retain_available), (Some(true), Some(false)));
    assert_eq!(told.wildcard_subscription_available, None);
    assert_eq!(told.shared_subscription_available, Some(false));
    assert_eq!((told.session_expiry_interval, told.server_keep_alive), (Some(0), Some(9)));
    assert_eq!(told.maximum_packet_size, Some(1 << 20));
}

#[tokio::test(start_paused = true)]
async fn refusal_is_told_in_the_words_of_each_protocol() {
    for (version, told) in [(V5, Reason::Banned), (V3, Reason::NotAuthorized)] {
        let (mut wire, far) = Wire::new(version, 4096);
        wire.send(Packet::Connect(Box::new(connect_packet(version)))).await;
        read(far, Limits::default()).await.unwrap().refuse(Reason::Banned).await;
        assert_eq!(refused(wire.receive().await), told);
        assert_eq!(wire.receive().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_with_connect_is_not_lost() {
    let (mut wire, far) = Wire::new(V5, 4096);
    let mut out = BytesMut::new();
    Packet::Connect(Box::new(connect_packet(V5))).encode(V5, &mut out);
    Packet::Pingreq.encode(V5, &mut out);
    wire.send_bytes(&out).await;
    let session = read(far, Limits::default()).await.unwrap().accept(Accept::default()).await;
    let _ends = crate::testing::ends(session.unwrap());
    assert!(matches!(wire.receive().await, Some(Packet::Connack(_))));
    assert_eq!(wire.receive().await, Some(Packet::Pingresp));
}
