//! What a client must not do, and what becomes of it.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

/// Whether a session sends its client away for these bytes, and with which words.
async fn sent_away_for(version: ProtocolVersion, bytes: &[u8]) -> Option<Reason> {
    let accept = Accept {
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        topic_alias_maximum: 2,
        ..Accept::default()
    };
    let (mut wire, session, _) = let_in(connect_packet(version), accept, Limits::default()).await;
    let ended = ends(session);
    wire.send_bytes(bytes).await;
    let told = wire.sent_away().await;
    drop(wire);
    let closed = ended.await.unwrap();
    assert!(matches!(closed, Some(Closed::Violation(_))), "{bytes:?}: {closed:?}");
    told
}

#[tokio::test(start_paused = true)]
async fn every_violation_is_named_to_mqtt_5_and_closes() {
    let second_connect = b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a";
    for (bytes, reason) in [
        (&b"\xff\xff\xff\xff\xff"[..], Reason::MalformedPacket),
        (b"\x30\xff\xff\xff\x7f", Reason::PacketTooLarge),
        (b"\0\0", Reason::MalformedPacket),
        (b"\xc1\0", Reason::MalformedPacket),
        (second_connect, Reason::ProtocolError),
        (b"\x20\x03\0\0\0", Reason::ProtocolError),
        (b"\xd0\0", Reason::ProtocolError),
        (b"\xf0\0", Reason::ProtocolError),
        (b"\x36\x06\0\x01a\0\x01\0", Reason::MalformedPacket),
        (b"\x34\x06\0\x01a\0\x01\0", Reason::QoSNotSupported),
        (b"\x31\x04\0\x01a\0", Reason::RetainNotSupported),
        (b"\x30\x04\0\x01#\0", Reason::TopicNameInvalid),
        (b"\x30\x03\0\0\0", Reason::TopicNameInvalid),
        (b"\x30\x04\0\x01\xff\0", Reason::MalformedPacket),
        (b"\x30\x06\0\x01a\x02\x0b\x07", Reason::ProtocolError),
        (b"\x30\x07\0\x01a\x03\x23\0\0", Reason::TopicAliasInvalid),
        (b"\x30\x07\0\x01a\x03\x23\0\x03", Reason::TopicAliasInvalid),
        (b"\x30\x06\0\0\x03\x23\0\x01", Reason::ProtocolError),
        (b"\x82\x07\0\x01\0\0\x01#\x03", Reason::MalformedPacket),
        (b"\x82\x03\0\x01\0", Reason::ProtocolError),
        (b"\x82\x07\0\0\0\0\x01#\0", Reason::MalformedPacket),
        (b"\x82\x08\0\x01\0\0\x02a#\0", Reason::TopicFilterInvalid),
        (b"\xa2\x03\0\x01\0", Reason::ProtocolError),
        (b"\xe0\x07\0\x05\x11\0\0\0\x01", Reason::ProtocolError),
    ] {
        assert_eq!(sent_away_for(V5, bytes).await, Some(reason), "{bytes:x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_violation_closes_a_3_1_1_connection() {
    for bytes in [
        &b"\xff\xff\xff\xff\xff"[..],
        b"\x30\xff\xff\xff\x7f",
        b"\xc1\0",
        b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a",
        b"\xf0\0",
        b"\x31\x03\0\x01a",
        b"\x30\x03\0\x01+",
        b"\x82\x02\0\x01",
        b"\x82\x06\0\x01\0\x01#\x04",
    ] {
        assert_eq!(sent_away_for(V3, bytes).await, None, "{bytes:x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn violation_is_explained() {
    let (mut wire, session) = usual(V5).await;
    let _ends = ends(session);
    wire.send_bytes(b"\xd0\0").await;
    let Some(Packet::Disconnect(told)) = wire.receive().await else { panic!() };
    let text = told.properties.reason_string.clone().unwrap();
    assert_eq!(&*text, "packet that only a server sends");
}

#[tokio::test(start_paused = true)]
async fn half_a_packet_is_not_waited_for_for_ever() {
    for version in [V3, V5] {
        let (mut wire, session) = usual(version).await;
        let ended = ends(session);
        // A length that is allowed: its bytes are waited for, and no room is made for those that do not come.
        wire.send_bytes(b"\x30\xf0\xff\x3f\0\x01a").await;
        let since = Instant::now();
        let closed = ended.await.unwrap();
        assert!(matches!(closed, Some(Closed::Stalled(_))), "{closed:?}");
        assert_eq!(since.elapsed().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn topic_alias_stands_for_its_name() {
    let (mut wire, mut session) = usual(V5).await;
    wire.send_bytes(b"\x30\x09\0\x03a/b\x03\x23\0\x01").await;
    wire.send_bytes(b"\x30\x06\0\0\x03\x23\0\x01").await;
    for _ in 0..2 {
        let message = message(&mut session).await;
        assert_eq!(message.topic(), "a/b");
        assert!(message.properties().topic_alias.is_none());
        message.ack(Reason::Success);
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_was_sent_away_is_read_until_it_closes() {
    // Unread bytes at the time of the close would take the DISCONNECT away from the client.
    let (mut wire, session) = usual(V5).await;
    let ended = ends(session);
    wire.send_bytes(b"\x30\xff\xff\xff\x7f").await;
    for _ in 0..100 {
        wire.send_bytes(&[0; 60_000]).await;
    }
    assert_eq!(wire.sent_away().await, Some(Reason::PacketTooLarge));
    assert!(!ended.is_finished());
    drop(wire);
    ended.await.unwrap();
}

/// A packet that is well formed, or a few bytes.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop::sample::select(vec![
        &b"\xc0\0"[..],
        b"\x32\x06\0\x01a\0\x01\0",
        b"\x34\x06\0\x01a\0\x02\0",
        b"\x62\x02\0\x02",
        b"\x40\x02\0\x01",
        b"\x50\x02\0\x01",
        b"\x70\x02\0\x01",
        b"\x82\x07\0\x01\0\0\x01#\x01",
        b"\xa2\x06\0\x01\0\0\x01#",
        b"\x30\x07\0\x01a\x03\x23\0\x01",
        b"\xe0\0",
    ]);
    prop_oneof![
        8 => whole.prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(pieces in proptest::collection::vec(pieces(), 0..30), v5: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut wire, mut session) = usual(if v5 { V5 } else { V3 }).await;
            for payload in ["1", "2"] {
                offer(&session, payload, QoS::ExactlyOnce);
            }
            wire.send_bytes(&pieces.concat()).await;
            wire.stream.shutdown().await.unwrap();
            while let Some(Ok(event)) = session.next().await {
                match event {
                    Event::Publish(message) => message.ack(Reason::Success),
                    Event::Subscribe(request) => request.accept(),
                    Event::Unsubscribe(request) => request.accept(),
                    Event::Disconnect(_) => {}
                }
            }
        });
    }
}
