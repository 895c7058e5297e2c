//! What is acknowledged when, and what happens when somebody or something is slow, full or gone.

use std::time::Duration;

use klamm_broker::mqtt::MqttOptions;
use klamm_log::{LogError, Status};
use klamm_mqtt::{Client, ClientError, ClientOptions, Delivery, Publish, QoS, Reason, Utf8, Will};
use tokio::time::timeout;

mod support;

use support::broker::{Broker, V3, V5, next, nothing_comes};

async fn send(client: &Client, qos: QoS, payload: String) -> Delivery {
    client.send(Publish::new("a", qos, payload).unwrap()).await.unwrap()
}

async fn settled(wait: impl Future) -> bool {
    timeout(Duration::from_secs(60), wait).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn acknowledgement_waits_for_durability_and_further_messages_do_not() {
    for version in [V3, V5] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let broker = Broker::new();
            let client = broker.client(version, "probe").await;
            broker.log.hold();
            let mut outcomes = Vec::new();
            for round in 0..3 {
                let delivery = send(&client, qos, round.to_string()).await;
                outcomes.push(tokio::spawn(delivery.outcome()));
                while broker.log.undurable() <= round {
                    tokio::task::yield_now().await;
                }
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(outcomes.iter().all(|outcome| !outcome.is_finished()));
            broker.log.release();
            for outcome in outcomes {
                assert_eq!(outcome.await.unwrap().unwrap(), Reason::Success);
            }
            assert_eq!(broker.records("mqtt").len(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn subscriber_sees_nothing_that_is_not_durable() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    client.subscribe("a", QoS::AtMostOnce).await.unwrap();
    broker.log.hold();
    client.publish("a", QoS::AtMostOnce, "x").await.unwrap();
    nothing_comes(&client).await;
    broker.log.release();
    assert_eq!(&next(&client).await.payload()[..], b"x");
}

#[tokio::test(start_paused = true)]
async fn full_log_holds_back_the_socket_and_nothing_else() {
    let broker = Broker::new();
    let other = broker.client(V5, "other").await;
    let mut options = ClientOptions::new(V5, "probe");
    // It would take the silence of a server that does not read for its death.
    options.keep_alive = 0;
    let client = broker.client_over(4096, options).await.unwrap();
    client.subscribe("news", QoS::AtMostOnce).await.unwrap();
    broker.log.hold();
    let early = send(&client, QoS::AtLeastOnce, "early".into()).await;
    while broker.log.undurable() == 0 {
        tokio::task::yield_now().await;
    }
    other.publish("news", QoS::AtMostOnce, "x").await.unwrap();
    while broker.log.undurable() == 1 {
        tokio::task::yield_now().await;
    }
    broker.log.set_full(true);
    let flood = {
        let client = client.clone();
        tokio::spawn(async move {
            let mut deliveries = Vec::new();
            for number in 0..1000 {
                deliveries.push(send(&client, QoS::AtLeastOnce, format!("{number:01000}")).await);
            }
            deliveries
        })
    };
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!flood.is_finished(), "the pipe is full");
    assert_eq!(broker.metrics.mqtt_connections_waiting.now(), 1);
    // What was admitted before is acknowledged, and deliveries go on.
    broker.log.release();
    assert_eq!(early.outcome().await.unwrap(), Reason::Success);
    assert_eq!(&next(&client).await.payload()[..], b"x");
    broker.log.set_full(false);
    for delivery in flood.await.unwrap() {
        assert_eq!(delivery.outcome().await.unwrap(), Reason::Success);
    }
    assert_eq!(broker.metrics.mqtt_connections_waiting.now(), 0);
    let mut numbers: Vec<String> = Vec::new();
    for record in broker.records("mqtt").iter().filter(|r| r.key.as_deref() == Some(b"a")) {
        numbers.push(String::from_utf8_lossy(record.value.as_ref().unwrap()).into_owned());
    }
    assert_eq!(numbers.len(), 1001);
    assert!(numbers[1..].is_sorted(), "in the order sent");
}

#[tokio::test(start_paused = true)]
async fn logs_errors_are_told_in_mqtts_words() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    client.publish("a", QoS::AtLeastOnce, "x").await.unwrap();
    for (error, reason) in [
        (LogError::NoSpace("disk-budget".into()), Reason::QuotaExceeded),
        (LogError::TooLarge { bytes: 2, max: 1 }, Reason::PacketTooLarge),
        (LogError::Unavailable("no leader".into()), Reason::ImplementationSpecificError),
        (LogError::Timeout(5), Reason::ImplementationSpecificError),
        (LogError::Closed, Reason::ImplementationSpecificError),
        (LogError::Refused("policy".into()), Reason::NotAuthorized),
    ] {
        broker.log.set_failing(Some(error));
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            assert_eq!(client.publish("a", qos, "x").await.unwrap(), reason);
        }
        client.publish("a", QoS::AtMostOnce, "lost").await.unwrap();
        let old = broker.client(V3, "old").await;
        let closed = old.publish("a", QoS::AtLeastOnce, "x").await.unwrap_err();
        assert!(matches!(closed, ClientError::Closed(_)), "{closed}");
    }
    assert_eq!(broker.metrics.mqtt_publish_failures.now(), 6 * 4);
    broker.log.set_failing(None);
    assert_eq!(client.publish("a", QoS::ExactlyOnce, "x").await.unwrap(), Reason::Success);
}

#[tokio::test(start_paused = true)]
async fn topic_name_that_makes_no_log_topic_is_refused() {
    let mut route = klamm_broker::RouteConfig::default_route("t.{tenant}", 1);
    route.pattern = "t/{tenant}/#".into();
    let broker = Broker::with(MqttOptions::default(), &[route]);
    let client = broker.client(V5, "probe").await;
    let publish = |topic| client.publish(topic, QoS::AtLeastOnce, "x");
    assert_eq!(publish("t/ä/x").await.unwrap(), Reason::TopicNameInvalid);
    assert_eq!(publish("t/a/x").await.unwrap(), Reason::Success);
}

#[tokio::test(start_paused = true)]
async fn slow_subscriber_gets_every_qos_1_message_in_order_and_costs_bounded_memory() {
    let mut broker = Broker::new();
    broker.limits.outbox_bytes = 20_000;
    let mut options = ClientOptions::new(V5, "slow");
    options.manual_acks = true;
    options.receive_maximum = 10;
    let slow = broker.client_over(2000, options).await.unwrap();
    slow.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let quick = broker.client(V5, "quick").await;
    quick.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let from = broker.client(V5, "from").await;
    for number in 0..2000 {
        drop(send(&from, QoS::AtLeastOnce, format!("{number:0200}")).await);
        assert_eq!(next(&quick).await.payload().len(), 200);
    }
    assert_eq!(broker.metrics.subscribers_lagging.now(), 1);
    for number in 0..2000 {
        let message = next(&slow).await;
        assert_eq!(*message.payload(), format!("{number:0200}"));
        message.ack(Reason::Success);
    }
    while broker.metrics.subscribers_lagging.now() > 0 {
        tokio::task::yield_now().await;
    }
    from.publish("a", QoS::AtLeastOnce, "by the tail again").await.unwrap();
    assert_eq!(&next(&slow).await.payload()[..], b"by the tail again");
    assert_eq!(broker.metrics.deliveries_dropped.now(), 0);
}

#[tokio::test(start_paused = true)]
async fn slow_subscriber_loses_qos_0_messages_which_are_counted() {
    let mut broker = Broker::new();
    broker.limits.outbox_bytes = 20_000;
    let mut options = ClientOptions::new(V3, "slow");
    options.receive_maximum = 1;
    let slow = broker.client_over(2000, options).await.unwrap();
    slow.subscribe("a", QoS::AtMostOnce).await.unwrap();
    let from = broker.client(V5, "from").await;
    for number in 0..2000 {
        let delivery = send(&from, QoS::AtLeastOnce, format!("{number:0200}")).await;
        delivery.outcome().await.unwrap();
    }
    let dropped = broker.metrics.deliveries_dropped.now();
    assert!(dropped > 1000, "{dropped}");
    let mut last = None;
    for _ in 0..2000 - dropped {
        let payload = next(&slow).await.payload().clone();
        assert!(last.as_ref() < Some(&payload), "in order");
        last = Some(payload);
    }
    nothing_comes(&slow).await;
}

#[tokio::test(start_paused = true)]
async fn packet_too_large_is_told_before_it_has_come() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    assert_eq!(client.connack().properties.maximum_packet_size, Some(1 << 20));
    let large = vec![0_u8; 1 << 20];
    let reason = client.publish("a", QoS::AtLeastOnce, large.clone()).await.unwrap();
    assert_eq!(reason, Reason::PacketTooLarge, "the client knows");
    let old = broker.client(V3, "old").await;
    let closed = old.publish("a", QoS::AtLeastOnce, large).await.unwrap_err();
    assert!(matches!(closed, ClientError::Closed(_)), "{closed}");
}

#[tokio::test(start_paused = true)]
async fn second_connection_of_a_client_takes_over() {
    let broker = Broker::new();
    for version in [V3, V5] {
        let first = broker.client(version, "probe").await;
        first.subscribe("a", QoS::AtMostOnce).await.unwrap();
        let second = broker.client(version, "probe").await;
        let ended = first.next().await.unwrap_err();
        match ended {
            ClientError::Disconnected { reason, .. } => {
                assert_eq!((version, reason), (V5, Reason::SessionTakenOver));
            }
            ClientError::Closed(_) => assert_eq!(version, V3),
            other => panic!("{other}"),
        }
        second.subscribe("a", QoS::AtMostOnce).await.unwrap();
        second.publish("a", QoS::AtLeastOnce, "x").await.unwrap();
        assert_eq!(&next(&second).await.payload()[..], b"x");
        second.disconnect().await.unwrap();
    }
    let nameless = [broker.client(V5, "").await, broker.client(V5, "").await];
    let names = nameless.map(|c| c.connack().properties.assigned_client_identifier.clone());
    assert!(names[0].is_some() && names[0] != names[1]);
}

fn refused(result: Result<Client, ClientError>) -> Reason {
    match result {
        Err(ClientError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_offered_is_refused_at_connect() {
    let broker = Broker::new();
    let will = |retain| {
        Some(Will {
            topic: Utf8::from_text("gone").unwrap(),
            payload: "x".into(),
            qos: QoS::AtMostOnce,
            retain,
            properties: Default::default(),
        })
    };
    let connect = |version, edit: &dyn Fn(&mut ClientOptions)| {
        let mut options = ClientOptions::new(version, "probe");
        edit(&mut options);
        broker.try_client(options)
    };
    let implementation = Reason::ImplementationSpecificError;
    assert_eq!(refused(connect(V5, &|o| o.will = will(false)).await), implementation);
    assert_eq!(refused(connect(V5, &|o| o.will = will(true)).await), Reason::RetainNotSupported);
    let unavailable = Reason::ServerUnavailable;
    assert_eq!(refused(connect(V3, &|o| o.will = will(false)).await), unavailable);
    assert_eq!(refused(connect(V3, &|o| o.clean_start = false).await), unavailable);
    assert_eq!(broker.metrics.mqtt_connects_refused.now(), 4);

    let client = connect(V5, &|o| {
        o.clean_start = false;
        o.properties.fields_mut().session_expiry_interval = Some(3600);
    });
    let client = client.await.unwrap();
    let connack = client.connack();
    assert!(!connack.session_present);
    let told = &connack.properties;
    assert_eq!(told.session_expiry_interval, Some(0));
    let offers = (told.retain_available, told.shared_subscription_available);
    assert_eq!(offers, (Some(false), Some(false)));
}

#[tokio::test(start_paused = true)]
async fn retained_message_is_refused() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    let mut publish = Publish::new("a", QoS::AtLeastOnce, "x").unwrap();
    publish.retain = true;
    let ended = client.send(publish).await.unwrap().outcome().await.unwrap_err();
    let told = matches!(ended, ClientError::Disconnected { reason, .. } if reason == Reason::RetainNotSupported);
    assert!(told, "{ended}");
    assert!(broker.records("mqtt").is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_while_the_log_is_away_and_somebody_when_it_is_back() {
    let broker = Broker::new();
    broker.log.set_status(Status::Unavailable("no broker reachable".into()));
    for version in [V3, V5] {
        let result = broker.try_client(ClientOptions::new(version, "probe")).await;
        assert_eq!(refused(result), Reason::ServerUnavailable);
    }
    broker.log.set_status(Status::Ready);
    broker.client(V3, "probe").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_while_too_many_wait() {
    let options = MqttOptions { waiting: 1, ..MqttOptions::default() };
    let broker = Broker::with(options, &[]);
    broker.log.set_full(true);
    let mut waiting = Vec::new();
    for number in 0..2 {
        let client = broker.client(V5, &number.to_string()).await;
        let delivery = send(&client, QoS::AtLeastOnce, "x".into()).await;
        waiting.push((client, delivery));
        while broker.metrics.mqtt_connections_waiting.now() <= number {
            tokio::task::yield_now().await;
        }
    }
    let result = broker.try_client(ClientOptions::new(V5, "third")).await;
    assert_eq!(refused(result), Reason::ServerBusy);
    broker.log.set_full(false);
    for (_, delivery) in waiting {
        assert!(settled(delivery.outcome()).await);
    }
    broker.client(V5, "third").await;
}

#[tokio::test(start_paused = true)]
async fn longest_keep_alive_is_the_servers() {
    let options = MqttOptions { keep_alive_max: 60, ..MqttOptions::default() };
    let broker = Broker::with(options, &[]);
    for (asked, told) in [(0, Some(60)), (61, Some(60)), (60, None), (5, None)] {
        let mut options = ClientOptions::new(V5, "probe");
        options.keep_alive = asked;
        let client = broker.try_client(options).await.unwrap();
        assert_eq!(client.connack().properties.server_keep_alive, told);
    }
}

#[tokio::test(start_paused = true)]
async fn last_words_before_a_goodbye_reach_the_log() {
    let broker = Broker::new();
    broker.log.set_full(true);
    for version in [V3, V5] {
        let client = broker.client(version, "probe").await;
        client.publish("a", QoS::AtMostOnce, "last words").await.unwrap();
        client.disconnect().await.unwrap();
    }
    broker.log.set_full(false);
    while broker.metrics.mqtt_connections.now() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.records("mqtt").len(), 2);
}
