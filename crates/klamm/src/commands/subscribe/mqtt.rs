//! Over MQTT 5.

use klamm_mqtt::{Client, ClientOptions, Message, ProtocolVersion, QoS};

use super::{Args, Arrived, Printer};
use crate::commands::unreachable;

pub(super) async fn run(server: &str, args: &Args) -> Result<(), String> {
    let client_id = args.client_id.as_deref().unwrap_or_default();
    let options = ClientOptions::new(ProtocolVersion::V5, client_id);
    let client =
        Client::connect(server, options).await.map_err(|error| unreachable(server, error))?;
    let qos = QoS::from_number(args.qos).unwrap_or_default();
    let granted = client.subscribe(&args.topic, qos).await.map_err(|error| error.to_string())?;
    if granted.is_failure() {
        return Err(format!("'{}' was refused: {}", args.topic, granted.text()));
    }
    let mut printer = Printer::new(args);
    while !printer.is_done() {
        let message = client.next().await.map_err(|error| error.to_string())?;
        printer.print(&arrived(&message));
    }
    client.disconnect().await.map_err(|error| error.to_string())
}

fn arrived(message: &Message) -> Arrived {
    let properties = message.properties();
    let mut headers = Vec::new();
    let mut put = |name: &'static str, value: Option<bytes::Bytes>| {
        if let Some(value) = value {
            headers.push((bytes::Bytes::from_static(name.as_bytes()), Some(value)));
        }
    };
    put("content-type", properties.content_type.as_ref().map(|text| text.bytes().clone()));
    put("response-topic", properties.response_topic.as_ref().map(|text| text.bytes().clone()));
    put("correlation-data", properties.correlation_data.clone());
    for (name, value) in &properties.user {
        headers.push((name.bytes().clone(), Some(value.bytes().clone())));
    }
    Arrived {
        topic: message.topic().to_owned(),
        qos: Some(message.qos() as u8),
        value: Some(message.payload().clone()),
        headers,
        ..Default::default()
    }
}
