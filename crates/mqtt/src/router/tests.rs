use std::sync::Mutex;
use std::time::Duration;

use klamm_mqtt_proto::{ProtocolVersion, QoS};

use super::*;
use crate::{Client, ClientOptions, Limits, Publish};

type Seen = Arc<Mutex<Vec<String>>>;

async fn connected<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
) -> Result<Client, crate::ClientError> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let address = "127.0.0.1:1".parse().unwrap();
    tokio::spawn(async move {
        let connect = Connect::read(far, address, address, Limits::default()).await.unwrap();
        router.serve_client(connect).await
    });
    Client::over(near, ClientOptions::new(ProtocolVersion::V5, "probe")).await
}

async fn store(inbound: Inbound<Seen>) -> Reason {
    // The first takes longest: with one at a time that is no matter.
    let payload = String::from_utf8_lossy(inbound.message.payload()).into_owned();
    let wait = 10 / payload.len() as u64;
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let text = format!("{} {} {payload}", inbound.client_id, &inbound.captures["device"]);
    inbound.state.lock().unwrap().push(text);
    if payload == "bad" { Reason::PayloadFormatInvalid } else { Reason::Success }
}

async fn outcomes(client: &Client, topics_and_payloads: &[(&str, &'static str)]) -> Vec<Reason> {
    let mut deliveries = Vec::new();
    for (topic, payload) in topics_and_payloads {
        let publish = Publish::new(topic, QoS::AtLeastOnce, *payload).unwrap();
        deliveries.push(client.send(publish).await.unwrap());
    }
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        outcomes.push(delivery.outcome().await.unwrap());
    }
    outcomes
}

const MESSAGES: [(&str, &str); 4] = [("t/1", "x"), ("t/2", "bad"), ("other", "x"), ("t/3", "long")];

#[tokio::test(start_paused = true)]
async fn handlers_reasons_are_the_acknowledgements() {
    let seen = Seen::default();
    let router = Router::new(Arc::clone(&seen)).publish("t/{device}", store).unwrap();
    let client = connected(router).await.unwrap();
    let outcomes = outcomes(&client, &MESSAGES).await;
    let expected =
        [Reason::Success, Reason::PayloadFormatInvalid, Reason::TopicNameInvalid, Reason::Success];
    assert_eq!(outcomes, expected);
    assert_eq!(*seen.lock().unwrap(), ["probe 1 x", "probe 2 bad", "probe 3 long"]);
    assert_eq!(client.subscribe("#", QoS::AtMostOnce).await.unwrap(), Reason::NotAuthorized);
}

#[tokio::test(start_paused = true)]
async fn several_messages_are_handled_at_a_time_when_asked_for() {
    let seen = Seen::default();
    let router =
        Router::new(Arc::clone(&seen)).publish("t/{device}", store).unwrap().concurrency(2);
    let client = connected(router).await.unwrap();
    outcomes(&client, &MESSAGES).await;
    assert_eq!(*seen.lock().unwrap(), ["probe 2 bad", "probe 3 long", "probe 1 x"]);
}

#[tokio::test(start_paused = true)]
async fn messages_before_the_goodbye_are_handled_to_the_end() {
    let seen = Seen::default();
    let router =
        Router::new(Arc::clone(&seen)).publish("t/{device}", store).unwrap().concurrency(9);
    let client = connected(router).await.unwrap();
    client.publish("t/1", QoS::AtMostOnce, "x").await.unwrap();
    client.disconnect().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(*seen.lock().unwrap(), ["probe 1 x"]);
}

#[tokio::test(start_paused = true)]
async fn client_that_is_not_authorized_is_refused() {
    let router = Router::new(()).authorize(|connect| match connect.user_name() {
        Some(_) => Ok(()),
        None => Err(Reason::NotAuthorized),
    });
    let refused = connected(router).await.unwrap_err();
    assert_eq!(refused.to_string(), "the server refused: not authorized");
}
