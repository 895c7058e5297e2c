//! Messages in MQTT's words, and back.

use std::sync::Arc;

use klamm_mqtt::{Fields, Publication, Publish, Utf8};

use crate::message::{Message, Properties, QoS};

/// A message as all its MQTT subscribers get it. What is no MQTT text was left out when the record was read.
pub(crate) fn publication(message: &Message) -> Publication {
    let topic = Utf8::from_text(&message.name).unwrap_or_default();
    let from = &message.properties;
    let text = |bytes: &bytes::Bytes| Utf8::new(bytes.clone()).ok();
    let pair = |(name, value): &(bytes::Bytes, bytes::Bytes)| Some((text(name)?, text(value)?));
    let fields = Fields {
        payload_format_indicator: from.payload_is_text.then_some(true),
        message_expiry_interval: message.expiry_seconds,
        content_type: from.content_type.as_ref().and_then(text),
        response_topic: from.response_topic.as_ref().and_then(text),
        correlation_data: from.correlation_data.clone(),
        user: from.user.iter().filter_map(pair).collect(),
        ..Fields::default()
    };
    Publication::new(topic, fields.into(), message.payload.clone())
}

/// A message that a client published.
pub(super) fn message(publish: Publish, publisher: &Arc<str>, now_ms: i64) -> Message {
    let from = &publish.properties;
    Message {
        name: publish.topic.as_str().into(),
        qos: qos(publish.qos),
        publisher: Some(Arc::clone(publisher)),
        timestamp_ms: now_ms,
        expiry_seconds: from.message_expiry_interval,
        properties: Properties {
            payload_is_text: from.payload_format_indicator == Some(true),
            content_type: from.content_type.as_ref().map(|text| text.bytes().clone()),
            response_topic: from.response_topic.as_ref().map(|text| text.bytes().clone()),
            correlation_data: from.correlation_data.clone(),
            user: from
                .user
                .iter()
                .map(|(name, value)| (name.bytes().clone(), value.bytes().clone()))
                .collect(),
        },
        payload: publish.payload,
    }
}

/// The broker's word for a QoS.
pub(super) fn qos(qos: klamm_mqtt::QoS) -> QoS {
    match qos {
        klamm_mqtt::QoS::AtMostOnce => QoS::AtMostOnce,
        klamm_mqtt::QoS::AtLeastOnce => QoS::AtLeastOnce,
        klamm_mqtt::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// MQTT's word for a QoS.
pub(super) fn mqtt_qos(qos: QoS) -> klamm_mqtt::QoS {
    match qos {
        QoS::AtMostOnce => klamm_mqtt::QoS::AtMostOnce,
        QoS::AtLeastOnce => klamm_mqtt::QoS::AtLeastOnce,
        QoS::ExactlyOnce => klamm_mqtt::QoS::ExactlyOnce,
    }
}
