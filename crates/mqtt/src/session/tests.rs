//! Dialogues of frames over a pipe in memory, with a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use klamm_mqtt_proto::packet::{self, Ack, Packet, Publish, Subscribe};
use klamm_mqtt_proto::{Properties, Publication, QoS, Reason, TopicFilter, Utf8};
use tokio::time::{Instant, timeout};

use super::*;
use crate::testing::{V3, V5, Wire, connect_packet, ends, let_in, usual};
use crate::{Accept, Limits, Message, Offered, SubscribeFilter, Terms};

mod limits;
mod violations;

fn publish(qos: QoS, packet_id: u16, payload: &'static str) -> Packet {
    let mut publish = Publish::new("a/b", qos, payload).unwrap();
    publish.packet_id = (qos > QoS::AtMostOnce).then_some(packet_id);
    Packet::Publish(publish)
}

fn ack(packet_id: u16) -> Ack {
    Ack::new(packet_id, Reason::Success)
}

async fn message(session: &mut Session) -> Message {
    match session.next().await {
        Some(Ok(Event::Publish(message))) => message,
        other => panic!("{other:?}"),
    }
}

fn publication(payload: impl Into<Bytes>, properties: Properties) -> Arc<Publication> {
    let topic = Utf8::from_text("a/b").unwrap();
    Arc::new(Publication::new(topic, properties, payload.into()))
}

fn offer(session: &Session, payload: &'static str, qos: QoS) -> Offered {
    let terms = Terms { qos, ..Terms::default() };
    session.outbox().offer(&publication(payload, Properties::default()), &terms)
}

async fn received(wire: &mut Wire) -> Publish {
    match wire.receive().await {
        Some(Packet::Publish(publish)) => publish,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_with_every_qos() {
    for version in [V3, V5] {
        let (mut wire, mut session) = usual(version).await;
        wire.send(publish(QoS::AtMostOnce, 0, "0")).await;
        message(&mut session).await.ack(Reason::Success);
        wire.send(publish(QoS::AtLeastOnce, 7, "1")).await;
        message(&mut session).await.ack(Reason::Success);
        wire.send(publish(QoS::ExactlyOnce, 9, "2")).await;
        let message = message(&mut session).await;
        assert_eq!((message.topic(), &message.payload()[..]), ("a/b", &b"2"[..]));
        message.ack(Reason::Success);
        let _ends = ends(session);
        assert_eq!(wire.receive().await, Some(Packet::Puback(ack(7))));
        assert_eq!(wire.receive().await, Some(Packet::Pubrec(ack(9))));
        wire.send(Packet::Pubrel(ack(9))).await;
        assert_eq!(wire.receive().await, Some(Packet::Pubcomp(ack(9))));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_go_out_with_every_qos() {
    for version in [V3, V5] {
        let (mut wire, session) = usual(version).await;
        for (payload, qos) in
            [("0", QoS::AtMostOnce), ("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce)]
        {
            assert_eq!(offer(&session, payload, qos), Offered::Taken);
        }
        let _ends = ends(session);
        assert_eq!(received(&mut wire).await.packet_id, None);
        let first = received(&mut wire).await.packet_id.unwrap();
        let second = received(&mut wire).await.packet_id.unwrap();
        assert_ne!(first, second);
        wire.send(Packet::Puback(ack(first))).await;
        wire.send(Packet::Pubrec(ack(second))).await;
        assert_eq!(wire.receive().await, Some(Packet::Pubrel(ack(second))));
        wire.send(Packet::Pubcomp(ack(second))).await;
        wire.nothing_comes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_leave_in_the_order_of_the_messages() {
    for version in [V3, V5] {
        let (mut wire, mut session) = usual(version).await;
        let mut messages = Vec::new();
        for id in [5, 3, 9] {
            wire.send(publish(QoS::AtLeastOnce, id, "x")).await;
            messages.push(message(&mut session).await);
        }
        let _ends = ends(session);
        messages.pop().unwrap().ack(Reason::Success);
        messages.pop().unwrap().ack(Reason::Success);
        wire.nothing_comes().await;
        messages.pop().unwrap().ack(Reason::Success);
        for id in [5, 3, 9] {
            assert_eq!(wire.receive().await, Some(Packet::Puback(ack(id))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_acknowledgement_is_no_success() {
    let (mut wire, mut session) = usual(V5).await;
    wire.send(publish(QoS::AtLeastOnce, 1, "x")).await;
    drop(message(&mut session).await);
    let _ends = ends(session);
    wire.nothing_comes().await;
}

#[tokio::test(start_paused = true)]
async fn qos_2_message_sent_twice_comes_once() {
    for version in [V3, V5] {
        let (mut wire, mut session) = usual(version).await;
        let mut again = Publish::new("a/b", QoS::ExactlyOnce, "x").unwrap();
        (again.packet_id, again.dup) = (Some(4), true);
        wire.send(publish(QoS::ExactlyOnce, 4, "x")).await;
        wire.send(Packet::Publish(again.clone())).await;
        message(&mut session).await.ack(Reason::Success);
        assert!(session.try_next().is_none());
        let _ends = ends(session);
        assert_eq!(wire.receive().await, Some(Packet::Pubrec(ack(4))));
        wire.send(Packet::Publish(again)).await;
        assert_eq!(wire.receive().await, Some(Packet::Pubrec(ack(4))), "again, for nothing new");
        wire.send(Packet::Pubrel(ack(4))).await;
        assert_eq!(wire.receive().await, Some(Packet::Pubcomp(ack(4))));
    }
}

#[tokio::test(start_paused = true)]
async fn failure_is_told_with_its_text_or_closes_a_3_1_1_connection() {
    let (mut wire, mut session) = usual(V5).await;
    wire.send(publish(QoS::AtLeastOnce, 1, "x")).await;
    let (_, ack) = message(&mut session).await.into_parts();
    ack.settle_with(Reason::QuotaExceeded, "disk full");
    let ended = ends(session);
    let Some(Packet::Puback(puback)) = wire.receive().await else { panic!() };
    assert_eq!(puback.reason, Reason::QuotaExceeded);
    assert_eq!(puback.properties.reason_string, Utf8::from_text("disk full").ok());
    assert!(!ended.is_finished());

    let (mut wire, mut session) = usual(V3).await;
    wire.send(publish(QoS::AtLeastOnce, 1, "x")).await;
    wire.send(publish(QoS::AtLeastOnce, 2, "y")).await;
    message(&mut session).await.ack(Reason::Success);
    message(&mut session).await.ack(Reason::QuotaExceeded);
    let ended = ends(session);
    assert_eq!(wire.receive().await, Some(Packet::Puback(self::ack(1))));
    assert_eq!(wire.receive().await, None);
    drop(wire);
    assert!(matches!(ended.await.unwrap(), Some(Closed::ByUs(Reason::QuotaExceeded))));
}

#[tokio::test(start_paused = true)]
async fn text_is_left_out_when_the_client_does_not_want_it_or_has_no_room() {
    let mut unwanted = connect_packet(V5);
    unwanted.properties.fields_mut().request_problem_information = Some(false);
    let mut small = connect_packet(V5);
    small.properties.fields_mut().maximum_packet_size = Some(12);
    for connect in [unwanted, small] {
        let (mut wire, mut session, _) =
            let_in(connect, Accept::default(), Limits::default()).await;
        wire.send(publish(QoS::AtLeastOnce, 1, "x")).await;
        let (_, ack) = message(&mut session).await.into_parts();
        ack.settle_with(Reason::QuotaExceeded, "the disk is full");
        let _ends = ends(session);
        let refused = Ack::new(1, Reason::QuotaExceeded);
        assert_eq!(wire.receive().await, Some(Packet::Puback(refused)));
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_answered_filter_by_filter() {
    for (version, refusal) in [(V3, Reason::UnspecifiedError), (V5, Reason::NotAuthorized)] {
        let (mut wire, mut session) = usual(version).await;
        let filter = |text: &str, qos| {
            SubscribeFilter::new(TopicFilter::new(Utf8::from_text(text).unwrap()).unwrap(), qos)
        };
        let mut properties = Properties::default();
        properties.fields_mut().subscription_identifiers = vec![77];
        let filters = vec![filter("a/#", QoS::AtLeastOnce), filter("b", QoS::ExactlyOnce)];
        wire.send(Packet::Subscribe(Subscribe { packet_id: 3, properties, filters })).await;
        let Some(Ok(Event::Subscribe(request))) = session.next().await else { panic!() };
        assert_eq!(request.filters()[0].filter.as_str(), "a/#");
        assert_eq!(request.identifier(), (version == V5).then_some(77));
        request.answer(vec![Reason::GrantedQoS1, Reason::NotAuthorized]);
        let _ends = ends(session);
        let Some(Packet::Suback(suback)) = wire.receive().await else { panic!() };
        assert_eq!((suback.packet_id, suback.reasons), (3, vec![Reason::GrantedQoS1, refusal]));
    }
}

#[tokio::test(start_paused = true)]
async fn goodbye_is_an_event_and_no_error() {
    for version in [V3, V5] {
        let (mut wire, mut session) = usual(version).await;
        wire.send(publish(QoS::AtMostOnce, 0, "last words")).await;
        wire.send(Packet::Disconnect(packet::Disconnect::new(Reason::Success))).await;
        assert_eq!(&message(&mut session).await.payload()[..], b"last words");
        assert!(matches!(session.next().await, Some(Ok(Event::Disconnect(_)))));
        assert!(session.next().await.is_none());
        assert_eq!(wire.receive().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_vanishes_is_told_from_one_that_says_goodbye() {
    let (mut wire, mut session) = usual(V5).await;
    wire.send(publish(QoS::AtMostOnce, 0, "last words")).await;
    drop(wire);
    assert_eq!(&message(&mut session).await.payload()[..], b"last words");
    assert!(matches!(session.next().await, Some(Err(Closed::ByPeer))));
    assert!(session.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn keep_alive_is_held_to_one_and_a_half_times() {
    for (version, told) in [(V3, None), (V5, Some(Reason::KeepAliveTimeout))] {
        let mut connect = connect_packet(version);
        connect.keep_alive = 10;
        let (mut wire, session, _) = let_in(connect, Accept::default(), Limits::default()).await;
        let ended = ends(session);
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(14)).await;
            wire.send(Packet::Pingreq).await;
            assert_eq!(wire.receive().await, Some(Packet::Pingresp));
        }
        let since = Instant::now();
        assert_eq!(wire.sent_away().await, told);
        assert_eq!(since.elapsed().as_secs(), 15);
        drop(wire);
        assert!(matches!(ended.await.unwrap(), Some(Closed::KeepAlive)));
    }
}

#[tokio::test(start_paused = true)]
async fn servers_keep_alive_counts_and_without_any_a_client_may_be_silent() {
    let accept = Accept { server_keep_alive: Some(2), ..Accept::default() };
    let (mut wire, session, _) = let_in(connect_packet(V5), accept, Limits::default()).await;
    let _ended = ends(session);
    let since = Instant::now();
    assert_eq!(wire.sent_away().await, Some(Reason::KeepAliveTimeout));
    assert_eq!(since.elapsed().as_secs(), 3);

    let (_wire, mut session) = usual(V5).await;
    assert!(timeout(Duration::from_secs(100_000), session.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_count_while_nobody_listens() {
    let mut connect = connect_packet(V5);
    connect.keep_alive = 10;
    let (mut wire, mut session, _) = let_in(connect, Accept::default(), Limits::default()).await;
    wire.send(publish(QoS::AtLeastOnce, 1, "x")).await;
    session.write_while(tokio::time::sleep(Duration::from_secs(1000))).await;
    message(&mut session).await.ack(Reason::Success);
    let _ended = ends(session);
    assert_eq!(wire.receive().await, Some(Packet::Puback(ack(1))));
}

#[tokio::test(start_paused = true)]
async fn output_goes_on_while_something_else_is_waited_for() {
    let (mut wire, mut session) = usual(V5).await;
    assert_eq!(offer(&session, "x", QoS::AtMostOnce), Offered::Taken);
    wire.send(publish(QoS::AtMostOnce, 0, "unread")).await;
    let payload = session.write_while(async { received(&mut wire).await.payload }).await;
    assert_eq!(&payload[..], b"x");
    assert!(session.try_next().is_none(), "nothing was read");
    message(&mut session).await.ack(Reason::Success);
}

#[tokio::test(start_paused = true)]
async fn session_ends_with_the_reason_another_task_gives() {
    for (version, told) in [(V3, None), (V5, Some(Reason::SessionTakenOver))] {
        let (mut wire, session) = usual(version).await;
        let outbox = session.outbox();
        let ended = ends(session);
        outbox.disconnect(Reason::SessionTakenOver);
        assert_eq!(wire.sent_away().await, told);
        // The client does not close its end: it is not waited for for long.
        let closed = ended.await.unwrap();
        assert!(matches!(closed, Some(Closed::ByUs(Reason::SessionTakenOver))), "{closed:?}");
        assert!(outbox.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn expired_message_is_dropped_and_another_tells_what_is_left() {
    let (mut wire, mut session) = usual(V5).await;
    let mut properties = Properties::default();
    properties.fields_mut().message_expiry_interval = Some(60);
    let publication = publication("x", properties);
    for seconds in [5, 60] {
        let expires = Some(Instant::now() + Duration::from_secs(seconds));
        let terms = Terms { expires, ..Terms::default() };
        assert_eq!(session.outbox().offer(&publication, &terms), Offered::Taken);
    }
    tokio::time::advance(Duration::from_millis(9_500)).await;
    session.write_while(tokio::task::yield_now()).await;
    assert_eq!(received(&mut wire).await.properties.message_expiry_interval, Some(51));
    wire.nothing_comes().await;
}
