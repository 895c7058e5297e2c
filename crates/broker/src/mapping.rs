//! Messages as records and back (`docs/semantics.md`, "Records").
//!
//! | record | message |
//! |---|---|
//! | key | by the route; the topic name by default |
//! | value | payload; a null value is an empty payload |
//! | timestamp | when it was published |
//! | header `mqtt.topic` | topic name, when the key is not |
//! | header `mqtt.qos` | `0`, `1` or `2`; a record without one counts as 1 |
//! | header `mqtt.cid` | client identifier of the publisher |
//! | header `mqtt.expiry` | message expiry interval, seconds from the timestamp |
//! | header `mqtt.ct`, `mqtt.response`, `mqtt.corr`, `mqtt.format` | content type, response topic, correlation data, `1` for UTF-8 text |
//! | every other header | user property, in order, duplicates kept |
//!
//! A user property whose name begins with `mqtt.` is stored with `mqtt.user.` before it, so that nobody forges
//! the others. Headers that are not UTF-8 stay in the log but cannot be user properties.

use std::sync::Arc;

use bytes::Bytes;
use klamm_kafka_proto::records::{BatchError, Header, Record, batches, records};

use crate::message::{Message, Properties, QoS};
use crate::route::{RouteTable, is_topic_name};

const OWN: &[u8] = b"mqtt.";
const USER: &[u8] = b"mqtt.user.";

/// What a batch of the log may grow to when it is unpacked: 16 times the default `max.message.bytes`.
const UNPACKED_BYTES_MAX: usize = 16 << 20; // beyond it a batch is a bomb rather than data

/// Where a record was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// Routes, to name records that carry no topic name.
    pub routes: &'a RouteTable,
    /// The log topic.
    pub log_topic: &'a str,
}

/// Calls `each` with every data record of back-to-back batches; a batch that cannot be read is one error.
pub(crate) fn for_each_record(bytes: &Bytes, mut each: impl FnMut(Result<Record, BatchError>)) {
    for batch in batches(bytes.clone()) {
        let (header, batch) = match batch {
            Ok(found) => found,
            Err(error) => return each(Err(error)),
        };
        if header.attributes.is_control() {
            continue;
        }
        match records(&batch, UNPACKED_BYTES_MAX) {
            Ok(found) => found.for_each(&mut each),
            Err(error) => each(Err(error)),
        }
    }
}

/// The message in a record; `None` when no topic name can be found for it.
pub(crate) fn message(record: &Record, origin: &Origin<'_>) -> Option<Message> {
    let mut message = Message {
        payload: record.value.clone().unwrap_or_default(),
        qos: QoS::AtLeastOnce,
        timestamp_ms: record.timestamp,
        ..Message::default()
    };
    let mut name: Option<Arc<str>> = None;
    for header in &record.headers {
        let value = header.value.clone().unwrap_or_default();
        if !header.key.starts_with(OWN) {
            user_property(&mut message.properties, &header.key, value);
        } else if header.key.starts_with(USER) {
            user_property(&mut message.properties, &header.key.slice(USER.len()..), value);
        } else if header.key == b"mqtt.topic"[..] {
            name = text(&value).filter(|name| is_topic_name(name)).map(Arc::from);
        } else {
            own_header(&mut message, &header.key, value);
        }
    }
    message.name = match name {
        Some(name) => name,
        None => {
            let key = record.key.as_deref().and_then(text);
            origin.routes.topic_name(origin.log_topic, key)?.into()
        }
    };
    Some(message)
}

fn own_header(message: &mut Message, key: &[u8], value: Bytes) {
    let properties = &mut message.properties;
    match key {
        b"mqtt.qos" => {
            let number = text(&value).and_then(|t| t.parse().ok());
            message.qos = number.and_then(QoS::from_number).unwrap_or(QoS::AtLeastOnce);
        }
        b"mqtt.cid" => message.publisher = text(&value).map(Arc::from),
        b"mqtt.expiry" => message.expiry_seconds = text(&value).and_then(|t| t.parse().ok()),
        b"mqtt.ct" if text(&value).is_some() => properties.content_type = Some(value),
        b"mqtt.response" if text(&value).is_some() => properties.response_topic = Some(value),
        b"mqtt.corr" => properties.correlation_data = Some(value),
        b"mqtt.format" => properties.payload_is_text = value == b"1"[..],
        // A later version's header: nothing that a client may see as its peer's property.
        _ => {}
    }
}

fn user_property(properties: &mut Properties, key: &Bytes, value: Bytes) {
    if text(key).is_some() && text(&value).is_some() {
        properties.user.push((key.clone(), value));
    }
}

/// The headers that carry what the record's other fields do not; `key` is the record's.
pub(crate) fn headers(message: &Message, key: &str) -> Vec<Header> {
    let mut headers = Vec::with_capacity(2 + message.properties.user.len());
    let mut put = |key: &'static str, value: Bytes| {
        headers.push(Header { key: Bytes::from_static(key.as_bytes()), value: Some(value) });
    };
    if *message.name != *key {
        put("mqtt.topic", Bytes::copy_from_slice(message.name.as_bytes()));
    }
    put(
        "mqtt.qos",
        Bytes::from_static(match message.qos {
            QoS::AtMostOnce => b"0",
            QoS::AtLeastOnce => b"1",
            QoS::ExactlyOnce => b"2",
        }),
    );
    if let Some(publisher) = &message.publisher {
        put("mqtt.cid", Bytes::copy_from_slice(publisher.as_bytes()));
    }
    if let Some(seconds) = message.expiry_seconds {
        put("mqtt.expiry", Bytes::from(seconds.to_string()));
    }
    let properties = &message.properties;
    if properties.payload_is_text {
        put("mqtt.format", Bytes::from_static(b"1"));
    }
    for (key, value) in [
        ("mqtt.ct", &properties.content_type),
        ("mqtt.response", &properties.response_topic),
        ("mqtt.corr", &properties.correlation_data),
    ] {
        if let Some(value) = value {
            put(key, value.clone());
        }
    }
    for (key, value) in &properties.user {
        let key = if key.starts_with(OWN) { [USER, key].concat().into() } else { key.clone() };
        headers.push(Header { key, value: Some(value.clone()) });
    }
    headers
}

/// Text an MQTT string may be: UTF-8 of at most 65,535 bytes without U+0000 (MQTT 5.0 section 1.5.4).
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= 65_535 && !text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::RouteConfig;

    fn routes() -> RouteTable {
        let mut cmd = RouteConfig::default_route("cmd", 1);
        cmd.pattern = "cmd/{device}".into();
        cmd.key = "{device}".into();
        RouteTable::new(&[cmd, RouteConfig::default_route("mqtt", 1)]).unwrap()
    }

    fn record(key: Option<&str>, value: Option<&str>, headers: Vec<Header>) -> Record {
        Record {
            offset: 7,
            timestamp: 1000,
            key: key.map(|k| Bytes::copy_from_slice(k.as_bytes())),
            value: value.map(|v| Bytes::copy_from_slice(v.as_bytes())),
            headers,
        }
    }

    fn full_message(name: &str) -> Message {
        Message {
            name: name.into(),
            payload: Bytes::from_static(b"21.5"),
            qos: QoS::ExactlyOnce,
            publisher: Some("probe-7".into()),
            timestamp_ms: 1000,
            expiry_seconds: Some(60),
            properties: Properties {
                payload_is_text: true,
                content_type: Some("text/plain".into()),
                response_topic: Some("reply/7".into()),
                correlation_data: Some(Bytes::from_static(b"\0\xff")),
                user: vec![
                    ("unit".into(), "C".into()),
                    ("unit".into(), "K".into()),
                    ("mqtt.qos".into(), "forged".into()),
                    ("mqtt.user.x".into(), "".into()),
                ],
            },
        }
    }

    #[test]
    fn every_property_survives_the_log() {
        let routes = routes();
        for (name, log_topic, key) in [("a/b", "mqtt", "a/b"), ("cmd/7", "cmd", "7")] {
            let sent = full_message(name);
            let record = record(Some(key), Some("21.5"), headers(&sent, key));
            let origin = Origin { routes: &routes, log_topic };
            assert_eq!(message(&record, &origin).unwrap(), sent);
        }
    }

    #[test]
    fn plain_record_becomes_a_message() {
        let routes = routes();
        let origin = Origin { routes: &routes, log_topic: "cmd" };
        let header = |key: &'static [u8], value| Header {
            key: Bytes::from_static(key),
            value: Option::map(value, Bytes::from_static),
        };
        let headers = vec![
            header(b"trace", Some(b"abc")),
            header(b"empty", None),
            header(b"binary", Some(b"\xff")),
            header(b"\xff", Some(b"x")),
        ];
        let found = message(&record(Some("7"), None, headers), &origin).unwrap();
        assert_eq!(&*found.name, "cmd/7");
        assert_eq!((found.qos, found.payload.len()), (QoS::AtLeastOnce, 0));
        let user: Vec<(Bytes, Bytes)> =
            vec![("trace".into(), "abc".into()), ("empty".into(), "".into())];
        assert_eq!(found.properties.user, user);
    }

    #[test]
    fn record_without_a_topic_name_is_nobodys_message() {
        let routes = routes();
        let origin = Origin { routes: &routes, log_topic: "mqtt" };
        assert_eq!(message(&record(None, Some("x"), vec![]), &origin), None);
        let header = Header { key: "mqtt.topic".into(), value: Some("a/+".into()) };
        assert_eq!(message(&record(None, Some("x"), vec![header]), &origin), None);
        assert_eq!(message(&record(Some("a/#"), Some("x"), vec![]), &origin), None);
    }
}
