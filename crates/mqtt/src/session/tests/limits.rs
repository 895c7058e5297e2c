//! Windows, sizes, slowness.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::testing::read;

/// A session over a pipe of so many bytes.
async fn over_pipe(bytes: usize, limits: Limits) -> (Wire, Session) {
    let (mut wire, far) = Wire::new(V5, bytes);
    wire.send(Packet::Connect(Box::new(connect_packet(V5)))).await;
    (wire, read(far, limits).await.unwrap().accept(Accept::default()).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn client_beyond_the_receive_maximum_is_sent_away() {
    let accept = Accept { receive_maximum: 2, ..Accept::default() };
    let (mut wire, mut session, _) = let_in(connect_packet(V5), accept, Limits::default()).await;
    for id in 1..=3 {
        wire.send(publish(QoS::AtLeastOnce, id, "x")).await;
    }
    let _kept = [message(&mut session).await, message(&mut session).await];
    let _ends = ends(session);
    assert_eq!(wire.sent_away().await, Some(Reason::ReceiveMaximumExceeded));
}

#[tokio::test(start_paused = true)]
async fn client_that_knows_no_receive_maximum_waits() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let accept = Accept { receive_maximum: 2, ..Accept::default() };
        let (mut wire, mut session, _) =
            let_in(connect_packet(V3), accept, Limits::default()).await;
        for id in 1..=5 {
            wire.send(publish(qos, id, "x")).await;
        }
        for _ in 0..5 {
            message(&mut session).await.ack(Reason::Success);
        }
        for (id, payload) in [(6, "y"), (7, "y"), (8, "z")] {
            wire.send(publish(qos, id, payload)).await;
        }
        let kept = [message(&mut session).await, message(&mut session).await];
        let third = timeout(Duration::from_secs(9), session.next()).await;
        assert!(third.is_err(), "two are unsettled");
        for message in kept {
            message.ack(Reason::Success);
        }
        assert_eq!(&message(&mut session).await.payload()[..], b"z");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_receive_maximum_is_kept() {
    let mut connect = connect_packet(V5);
    connect.properties.fields_mut().receive_maximum = Some(1);
    let (mut wire, session, _) = let_in(connect, Accept::default(), Limits::default()).await;
    offer(&session, "1", QoS::AtLeastOnce);
    offer(&session, "2", QoS::AtLeastOnce);
    let _ends = ends(session);
    let first = received(&mut wire).await;
    wire.nothing_comes().await;
    wire.send(Packet::Puback(ack(first.packet_id.unwrap()))).await;
    assert_eq!(&received(&mut wire).await.payload[..], b"2");
}

#[tokio::test(start_paused = true)]
async fn message_larger_than_the_client_takes_is_passed_over() {
    let mut connect = connect_packet(V5);
    connect.properties.fields_mut().maximum_packet_size = Some(100);
    let (mut wire, session, _) = let_in(connect, Accept::default(), Limits::default()).await;
    let large = publication(vec![0; 100], Properties::default());
    let terms = Terms { qos: QoS::AtLeastOnce, ..Terms::default() };
    assert_eq!(session.outbox().offer(&large, &terms), Offered::Taken);
    offer(&session, "small", QoS::AtLeastOnce);
    let _ends = ends(session);
    assert_eq!(&received(&mut wire).await.payload[..], b"small");
}

#[tokio::test(start_paused = true)]
async fn socket_is_not_read_while_nobody_asks() {
    let (mut wire, mut session) = over_pipe(512, Limits::default()).await;
    let mut flood = tokio::spawn(async move {
        for _ in 0..100 {
            wire.send(publish(QoS::AtMostOnce, 0, "thirty bytes of nothing at all")).await;
        }
        wire
    });
    assert!(timeout(Duration::from_secs(100), &mut flood).await.is_err(), "the pipe is full");
    for _ in 0..100 {
        message(&mut session).await.ack(Reason::Success);
    }
    flood.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slow_reader_fills_its_bound_and_is_left_when_it_takes_nothing() {
    let limits = Limits { outbox_bytes: 100_000, ..Limits::default() };
    let (mut wire, session) = over_pipe(1024, limits).await;
    let outbox = session.outbox();
    let ended = ends(session);
    let publication = publication(vec![0; 1000], Properties::default());
    let mut taken = 0;
    while outbox.offer(&publication, &Terms::default()) == Offered::Taken {
        taken += 1;
        tokio::task::yield_now().await;
    }
    // The pipe, the output, the outbox.
    assert!((140..200).contains(&taken), "{taken}");
    // It takes a little now and then: that is slow, and no stall.
    let mut bytes = [0; 512];
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(25)).await;
        wire.stream.read_exact(&mut bytes).await.unwrap();
    }
    assert!(!ended.is_finished());
    let closed = ended.await.unwrap();
    assert!(matches!(closed, Some(Closed::Stalled(_))), "{closed:?}");
    assert_eq!(outbox.offer(&publication, &Terms::default()), Offered::Closed);
}

#[tokio::test(start_paused = true)]
async fn client_that_asks_and_does_not_listen_is_not_read() {
    let (mut wire, session) = over_pipe(1024, Limits::default()).await;
    let _ends = ends(session);
    let mut sent = 0;
    loop {
        let pings = [0xc0, 0].repeat(512);
        let write = wire.stream.write_all(&pings);
        if timeout(Duration::from_secs(1), write).await.is_err() {
            break;
        }
        sent += pings.len();
        assert!(sent < 3 * OUTPUT_BYTES, "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn large_messages_keep_their_bytes_and_their_order() {
    let (mut wire, session) = usual(V5).await;
    let outbox = session.outbox();
    let _ends = ends(session);
    for size in [10_usize, 5_000, 100_000, 3, 70_000] {
        let publication = publication(vec![size as u8; size], Properties::default());
        assert_eq!(outbox.offer(&publication, &Terms::default()), Offered::Taken);
    }
    for size in [10_usize, 5_000, 100_000, 3, 70_000] {
        assert_eq!(received(&mut wire).await.payload, vec![size as u8; size]);
    }
}
