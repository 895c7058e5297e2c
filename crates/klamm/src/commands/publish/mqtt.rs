//! Over MQTT 5: each message its own PUBLISH, many on their way at a time.

use std::collections::VecDeque;

use klamm_mqtt::{Client, ClientOptions, Delivery, ProtocolVersion, Publish, QoS, Utf8};

use super::{AHEAD_MAX, Args, Source};
use crate::commands::unreachable;

pub(super) async fn run(server: &str, args: &Args, mut source: Source) -> Result<(), String> {
    let client_id = args.client_id.as_deref().unwrap_or_default();
    let options = ClientOptions::new(ProtocolVersion::V5, client_id);
    let client =
        Client::connect(server, options).await.map_err(|error| unreachable(server, error))?;
    let mut under_way = VecDeque::new();
    let mut acknowledged = 0;
    while let Some(payload) = source.next().await? {
        let publish = message(args, payload)?;
        let sent = client.send(publish).await;
        under_way.push_back(sent.map_err(|error| failed(&error, acknowledged))?);
        // Wait for the oldest when many are on their way, or when nothing else is there to do.
        while under_way.len() >= AHEAD_MAX || (!source.has_more() && !under_way.is_empty()) {
            settle(under_way.pop_front(), acknowledged).await?;
            acknowledged += 1;
        }
    }
    client.disconnect().await.map_err(|error| error.to_string())
}

fn message(args: &Args, payload: Vec<u8>) -> Result<Publish, String> {
    let qos = QoS::from_number(args.qos).unwrap_or_default();
    let mut publish = Publish::new(&args.topic, qos, payload)
        .map_err(|violation| format!("'{}': {violation}", args.topic))?;
    for (name, value) in &args.header {
        let text = |text: &str| Utf8::from_text(text).map_err(|error| error.to_string());
        publish.properties.fields_mut().user.push((text(name)?, text(value)?));
    }
    Ok(publish)
}

async fn settle(delivery: Option<Delivery>, acknowledged: u64) -> Result<(), String> {
    let Some(delivery) = delivery else { return Ok(()) };
    let reason = delivery.outcome().await.map_err(|error| failed(&error, acknowledged))?;
    if reason.is_failure() {
        return Err(failed(&reason.text(), acknowledged));
    }
    Ok(())
}

fn failed(error: &impl std::fmt::Display, acknowledged: u64) -> String {
    format!("{error}\n{acknowledged} messages were acknowledged before")
}
