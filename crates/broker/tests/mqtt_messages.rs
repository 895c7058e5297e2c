//! Messages through broker and log: every QoS, both versions, records both ways, subscriptions.

use klamm_broker::RouteConfig;
use klamm_broker::mqtt::MqttOptions;
use klamm_kafka_proto::records::Header;
use klamm_mqtt::{
    ClientError, ClientOptions, Fields, Properties, Publish, QoS, Reason, SubscribeFilter,
    TopicFilter, Utf8,
};

mod support;

use support::broker::{Broker, V3, V5, next, nothing_comes};

const EVERY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn utf8(text: &str) -> Utf8 {
    Utf8::from_text(text).unwrap()
}

fn filter(text: &str, qos: QoS) -> SubscribeFilter {
    SubscribeFilter::new(TopicFilter::new(utf8(text)).unwrap(), qos)
}

fn with_identifier(identifier: u32) -> Properties {
    Fields { subscription_identifiers: vec![identifier], ..Fields::default() }.into()
}

#[tokio::test(start_paused = true)]
async fn message_comes_with_the_lower_qos_whatever_the_versions() {
    let broker = Broker::new();
    for (publisher, subscriber) in [(V3, V5), (V5, V3), (V3, V3), (V5, V5)] {
        let from = broker.client(publisher, "from").await;
        for granted in EVERY_QOS {
            let to = broker.client(subscriber, "to").await;
            let reason = to.subscribe("a/+", granted).await.unwrap();
            assert_eq!(reason as u8, granted as u8);
            for sent in EVERY_QOS {
                assert_eq!(from.publish("a/b", sent, "x").await.unwrap(), Reason::Success);
                let message = next(&to).await;
                assert_eq!((message.topic(), message.qos()), ("a/b", sent.min(granted)));
                assert_eq!((&message.payload()[..], message.retain()), (&b"x"[..], false));
            }
            to.disconnect().await.unwrap();
        }
        from.disconnect().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn message_is_one_record_with_its_topic_name_as_key() {
    let broker = Broker::new();
    let client = broker.client(V3, "probe-7").await;
    client.publish("a/b", QoS::AtLeastOnce, "21.5").await.unwrap();
    let records = broker.records("mqtt");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].key.as_deref(), Some(&b"a/b"[..]));
    assert_eq!(records[0].value.as_deref(), Some(&b"21.5"[..]));
    let header = |key: &'static str, value: &'static str| Header {
        key: key.into(),
        value: Some(value.into()),
    };
    assert_eq!(records[0].headers, [header("mqtt.qos", "1"), header("mqtt.cid", "probe-7")]);
}

#[tokio::test(start_paused = true)]
async fn every_property_comes_out_as_it_went_in() {
    let broker = Broker::new();
    let from = broker.client(V5, "from").await;
    let to = broker.client(V5, "to").await;
    to.subscribe("#", QoS::ExactlyOnce).await.unwrap();
    let fields = Fields {
        payload_format_indicator: Some(true),
        content_type: Some(utf8("text/plain")),
        response_topic: Some(utf8("reply/7")),
        correlation_data: Some("\0\x01".into()),
        user: vec![(utf8("unit"), utf8("C")), (utf8("unit"), utf8("K"))],
        ..Fields::default()
    };
    let mut publish = Publish::new("a/b", QoS::AtLeastOnce, "21.5").unwrap();
    publish.properties = fields.into();
    let properties = publish.properties.clone();
    from.send(publish).await.unwrap().outcome().await.unwrap();
    assert_eq!(*next(&to).await.properties(), properties);
}

#[tokio::test(start_paused = true)]
async fn plain_record_is_delivered_by_key_or_route() {
    let mut cmd = RouteConfig::default_route("cmd", 1);
    (cmd.pattern, cmd.key) = ("cmd/{device}".into(), "{device}".into());
    let broker = Broker::with(MqttOptions::default(), &[cmd]);
    let client = broker.client(V5, "probe").await;
    client.subscribe("cmd/7", QoS::ExactlyOnce).await.unwrap();
    client.subscribe("a/b", QoS::ExactlyOnce).await.unwrap();
    let header = Header { key: "trace".into(), value: Some("abc".into()) };
    broker.append_record("cmd", Some("7"), Some("restart"), &[header]).await;
    let message = next(&client).await;
    assert_eq!((message.topic(), &message.payload()[..]), ("cmd/7", &b"restart"[..]));
    assert_eq!(message.qos(), QoS::AtLeastOnce, "what a record without a QoS counts as");
    assert_eq!(message.properties().user, [(utf8("trace"), utf8("abc"))]);
    broker.append_record("mqtt", Some("a/b"), None, &[]).await;
    let message = next(&client).await;
    assert_eq!((message.topic(), message.payload().len()), ("a/b", 0));
    broker.append_record("mqtt", None, Some("nobody's"), &[]).await;
    nothing_comes(&client).await;
    assert_eq!(broker.metrics.records_without_name.now(), 1);
}

#[tokio::test(start_paused = true)]
async fn overlapping_subscriptions_make_one_delivery_with_all_identifiers() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    for (text, qos, id) in [("a/#", QoS::AtMostOnce, 5), ("a/b", QoS::AtLeastOnce, 70_000)] {
        let reasons = client.subscribe_with(vec![filter(text, qos)], with_identifier(id)).await;
        assert_eq!(reasons.unwrap().len(), 1);
    }
    client.publish("a/b", QoS::ExactlyOnce, "x").await.unwrap();
    let message = next(&client).await;
    assert_eq!(message.qos(), QoS::AtLeastOnce);
    let mut identifiers = message.properties().subscription_identifiers.clone();
    identifiers.sort_unstable();
    assert_eq!(identifiers, [5, 70_000]);
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn no_local_keeps_own_messages_away() {
    let broker = Broker::new();
    let (own, other) = (broker.client(V5, "own").await, broker.client(V5, "other").await);
    let mut quiet = filter("a", QoS::AtMostOnce);
    quiet.no_local = true;
    own.subscribe_with(vec![quiet], Properties::default()).await.unwrap();
    own.publish("a", QoS::AtLeastOnce, "mine").await.unwrap();
    other.publish("a", QoS::AtLeastOnce, "theirs").await.unwrap();
    assert_eq!(&next(&own).await.payload()[..], b"theirs");
}

#[tokio::test(start_paused = true)]
async fn subscription_made_again_replaces_and_one_that_is_gone_gets_nothing() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    client.subscribe("a", QoS::AtMostOnce).await.unwrap();
    assert_eq!(broker.metrics.subscriptions.now(), 1);
    client.publish("a", QoS::AtLeastOnce, "x").await.unwrap();
    assert_eq!(next(&client).await.qos(), QoS::AtMostOnce);
    assert_eq!(client.unsubscribe("a").await.unwrap(), Reason::Success);
    assert_eq!(client.unsubscribe("a").await.unwrap(), Reason::NoSubscriptionExisted);
    client.publish("a", QoS::AtLeastOnce, "y").await.unwrap();
    nothing_comes(&client).await;
    assert_eq!((broker.metrics.subscriptions.now(), broker.subscriptions.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn names_of_the_server_are_neither_published_to_nor_matched_by_wildcards() {
    let broker = Broker::new();
    let client = broker.client(V5, "probe").await;
    client.subscribe("#", QoS::AtMostOnce).await.unwrap();
    let refused = client.publish("$SYS/a", QoS::AtLeastOnce, "x").await.unwrap();
    assert_eq!(refused, Reason::TopicNameInvalid);
    client.publish("$SYS/a", QoS::AtMostOnce, "x").await.unwrap();
    broker.append_record("mqtt", Some("$SYS/a"), Some("x"), &[]).await;
    nothing_comes(&client).await;
    assert_eq!(broker.records("mqtt").len(), 1);
    let old = broker.client(V3, "old").await;
    let closed = old.publish("$SYS/a", QoS::AtLeastOnce, "x").await.unwrap_err();
    assert!(matches!(closed, ClientError::Closed(_)), "{closed}");
}

#[tokio::test(start_paused = true)]
async fn expired_message_is_not_delivered_and_another_tells_what_is_left() {
    let broker = Broker::new();
    let from = broker.client(V5, "from").await;
    let to = broker.client(V5, "to").await;
    to.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    for (seconds, payload) in [(0, "late"), (100, "in time")] {
        let mut publish = Publish::new("a", QoS::AtLeastOnce, payload).unwrap();
        publish.properties.fields_mut().message_expiry_interval = Some(seconds);
        from.send(publish).await.unwrap().outcome().await.unwrap();
    }
    let message = next(&to).await;
    assert_eq!(&message.payload()[..], b"in time");
    let left = message.properties().message_expiry_interval.unwrap();
    assert!((90..=100).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn shared_subscriptions_and_too_many_are_refused_one_by_one() {
    let options = MqttOptions { subscriptions: 2, ..MqttOptions::default() };
    let broker = Broker::with(options, &[]);
    let client = broker.client(V5, "probe").await;
    let filters = ["a", "$share/g/a", "b", "c", "a"].map(|text| filter(text, QoS::AtLeastOnce));
    let reasons = client.subscribe_with(filters.to_vec(), Properties::default()).await.unwrap();
    let (granted, shared) = (Reason::GrantedQoS1, Reason::SharedSubscriptionsNotSupported);
    assert_eq!(reasons, [granted, shared, granted, Reason::QuotaExceeded, granted]);
}

#[tokio::test(start_paused = true)]
async fn client_that_ends_leaves_nothing_behind() {
    let broker = Broker::new();
    let clean = broker.client(V5, "clean").await;
    let broken = broker.try_client(ClientOptions::new(V5, "broken")).await.unwrap();
    clean.subscribe("a/#", QoS::AtLeastOnce).await.unwrap();
    broken.subscribe("a/#", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(broker.metrics.mqtt_connections.now(), 2);
    assert_eq!(broker.metrics.tails.now(), 2, "one for each partition, not for each client");
    clean.disconnect().await.unwrap();
    drop(broken);
    while broker.metrics.tails.now() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((broker.metrics.mqtt_connections.now(), broker.subscriptions.len()), (0, 0));
    assert_eq!(broker.metrics.mqtt_connections_failed.now(), 1);
}
