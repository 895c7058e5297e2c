//! Client against server over pipes in memory, with the clock standing still.

use super::*;
use crate::{Accept, Closed, Event, Limits, Session};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::V3, ProtocolVersion::V5];

async fn accepted(options: ClientOptions, accept: Accept) -> (Client, Session) {
    let (near, far) = tokio::io::duplex(64 << 10);
    let address = "127.0.0.1:1".parse().unwrap();
    let server = async {
        let connect = crate::Connect::read(far, address, address, Limits::default()).await.unwrap();
        connect.accept(accept).await.unwrap()
    };
    let (client, session) = tokio::join!(Client::over(near, options), server);
    (client.unwrap(), session)
}

#[tokio::test(start_paused = true)]
async fn messages_of_every_qos_go_both_ways() {
    for version in BOTH {
        let options = ClientOptions::new(version, "probe");
        let (client, mut session) = accepted(options, Accept::default()).await;
        let outbox = session.outbox();
        let server = tokio::spawn(async move {
            while let Some(Ok(event)) = session.next().await {
                match event {
                    Event::Publish(message) => {
                        let topic = Utf8::from_text(message.topic()).unwrap();
                        let payload = message.payload().clone();
                        let echo = crate::Publication::new(topic, Properties::default(), payload);
                        let terms = crate::Terms { qos: message.qos(), ..Default::default() };
                        let _ = outbox.offer(&Arc::new(echo), &terms);
                        message.ack(Reason::Success);
                    }
                    Event::Subscribe(request) => request.accept(),
                    Event::Unsubscribe(request) => request.accept(),
                    Event::Disconnect(disconnect) => return Some(disconnect.reason),
                }
            }
            None
        });
        assert_eq!(client.subscribe("a/#", QoS::ExactlyOnce).await.unwrap(), Reason::GrantedQoS2);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            assert_eq!(client.publish("a/b", qos, "x").await.unwrap(), Reason::Success);
            let message = client.next().await.unwrap();
            assert_eq!(
                (message.topic(), message.qos(), &message.payload()[..]),
                ("a/b", qos, &b"x"[..])
            );
        }
        assert_eq!(client.unsubscribe("a/#").await.unwrap(), Reason::Success);
        client.disconnect().await.unwrap();
        assert_eq!(server.await.unwrap(), Some(Reason::Success));
    }
}

#[tokio::test(start_paused = true)]
async fn pipelined_messages_wait_for_the_servers_receive_maximum() {
    let options = ClientOptions::new(ProtocolVersion::V5, "probe");
    let (client, mut session) =
        accepted(options, Accept { receive_maximum: 2, ..Accept::default() }).await;
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        let publish = Publish::new("a", QoS::AtLeastOnce, "x").unwrap();
        deliveries.push(client.send(publish).await.unwrap());
    }
    let mut taken = Vec::new();
    for _ in 0..2 {
        let Some(Ok(Event::Publish(message))) = session.next().await else { panic!() };
        taken.push(message);
    }
    let third = tokio::time::timeout(Duration::from_secs(9), session.next()).await;
    assert!(third.is_err(), "two are in flight");
    taken.remove(0).ack(Reason::Success);
    let Some(Ok(Event::Publish(third))) = session.next().await else { panic!() };
    taken.remove(0).ack(Reason::QuotaExceeded);
    third.ack(Reason::Success);
    let server = tokio::spawn(async move { while session.next().await.is_some() {} });
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        outcomes.push(delivery.outcome().await.unwrap());
    }
    assert_eq!(outcomes, [Reason::Success, Reason::QuotaExceeded, Reason::Success]);
    drop(client);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn message_is_acknowledged_when_pulled_or_when_the_owner_says_so() {
    for manual_acks in [false, true] {
        let mut options = ClientOptions::new(ProtocolVersion::V5, "probe");
        options.manual_acks = manual_acks;
        options.receive_maximum = 1;
        let (client, mut session) = accepted(options, Accept::default()).await;
        let outbox = session.outbox();
        let server = tokio::spawn(async move { while session.next().await.is_some() {} });
        let topic = Utf8::from_text("a").unwrap();
        let publication =
            Arc::new(crate::Publication::new(topic, Properties::default(), "x".into()));
        let terms = crate::Terms { qos: QoS::AtLeastOnce, ..Default::default() };
        for _ in 0..2 {
            let _ = outbox.offer(&publication, &terms);
        }
        let first = client.next().await.unwrap();
        // The server holds the second back until the first is acknowledged.
        let second = tokio::time::timeout(Duration::from_secs(9), client.next()).await;
        assert_eq!(second.is_err(), manual_acks);
        if manual_acks {
            first.ack(Reason::Success);
            client.next().await.unwrap().ack(Reason::Success);
        }
        drop(client);
        server.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn idle_client_stays_alive_and_a_mute_server_is_left() {
    let mut options = ClientOptions::new(ProtocolVersion::V3, "probe");
    options.keep_alive = 10;
    let (client, mut session) = accepted(options, Accept::default()).await;
    let hour = tokio::time::timeout(Duration::from_secs(3600), session.next()).await;
    assert!(hour.is_err(), "PINGREQ and PINGRESP keep it alive");
    let error = client.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Closed(Closed::KeepAlive)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refusal_and_disconnect_reach_the_owner_with_their_texts() {
    let (near, far) = tokio::io::duplex(4096);
    let address = "127.0.0.1:1".parse().unwrap();
    let server = async {
        let connect = crate::Connect::read(far, address, address, Limits::default()).await.unwrap();
        connect.refuse_with(Reason::NotAuthorized, Some("who are you?")).await;
    };
    let options = ClientOptions::new(ProtocolVersion::V5, "probe");
    let (client, ()) = tokio::join!(Client::over(near, options.clone()), server);
    let text = client.unwrap_err().to_string();
    assert_eq!(text, "the server refused: not authorized (who are you?)");

    let (client, mut session) = accepted(options, Accept::default()).await;
    session.disconnect_with(Reason::AdministrativeAction, "go away");
    let server = tokio::spawn(async move { while session.next().await.is_some() {} });
    let text = client.next().await.unwrap_err().to_string();
    assert_eq!(text, "the server disconnected: administrative action (go away)");
    let late = client.publish("a", QoS::AtLeastOnce, "x").await.unwrap_err();
    assert!(matches!(late, ClientError::Disconnected { .. }), "{late}");
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn message_larger_than_the_server_takes_is_not_sent() {
    let options = ClientOptions::new(ProtocolVersion::V5, "probe");
    let (client, mut session) = accepted(options, Accept::default()).await;
    let large = vec![0; Limits::default().packet_bytes];
    let server = tokio::spawn(async move { while session.next().await.is_some() {} });
    let reason = client.publish("a", QoS::AtLeastOnce, large).await.unwrap();
    assert_eq!(reason, Reason::PacketTooLarge);
    client.disconnect().await.unwrap();
    server.await.unwrap();
}
