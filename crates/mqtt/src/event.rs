//! What a client does.

use std::sync::Arc;

use bytes::Bytes;
use klamm_mqtt_proto::flow::Outcome;
use klamm_mqtt_proto::packet::{
    Disconnect, Packet, Publish, Suback, Subscribe, SubscribeFilter, Unsuback, Unsubscribe,
};
use klamm_mqtt_proto::{Properties, QoS, Reason, TopicFilter, Utf8};

use crate::outbox::Shared;

/// Something a client did.
#[derive(Debug)]
#[must_use]
pub enum Event {
    /// It published a message.
    Publish(Message),
    /// It wants messages.
    Subscribe(SubscribeRequest),
    /// It wants no more of some.
    Unsubscribe(UnsubscribeRequest),
    /// It says goodbye; the connection ends.
    Disconnect(Disconnect),
}

/// A message that was published, with its acknowledgement.
#[derive(Debug)]
#[must_use = "a message that is not acknowledged stays in flight"]
pub struct Message {
    publish: Publish,
    ack: Ack,
}

/// The acknowledgement of one message. Dropped, it leaves the message in flight: silence is never success.
#[derive(Debug)]
#[must_use = "a message that is not acknowledged stays in flight"]
pub struct Ack {
    shared: Arc<Shared>,
    number: Option<u64>,
}

impl Ack {
    pub(crate) fn new(shared: Arc<Shared>, number: Option<u64>) -> Self {
        Self { shared, number }
    }

    /// Settles the message, from any task and in any order. For QoS 0 there is nothing to do. In 3.1.1 a failure cannot
    /// be told: the connection is closed, and the client sends the message again on its next.
    pub fn settle(self, reason: Reason) {
        self.end(reason.into());
    }

    /// Settles it and tells people why, where the client takes that (MQTT 5).
    pub fn settle_with(self, reason: Reason, text: &str) {
        self.end(Outcome { reason, text: Utf8::from_text(text).ok() });
    }

    /// Whether anybody waits for it: not with QoS 0.
    pub fn is_awaited(&self) -> bool {
        self.number.is_some()
    }

    fn end(self, outcome: Outcome) {
        if let Some(number) = self.number {
            self.shared.settle(number, outcome);
        }
    }
}

impl Message {
    pub(crate) fn new(publish: Publish, ack: Ack) -> Self {
        Self { publish, ack }
    }

    /// Topic name; an alias was resolved.
    pub fn topic(&self) -> &str {
        &self.publish.topic
    }

    /// The message itself, a slice of what was received.
    pub fn payload(&self) -> &Bytes {
        &self.publish.payload
    }

    /// Quality of service.
    pub fn qos(&self) -> QoS {
        self.publish.qos
    }

    /// To be retained (from a client), or was retained (from a server).
    pub fn retain(&self) -> bool {
        self.publish.retain
    }

    /// Its properties; none in 3.1.1.
    pub fn properties(&self) -> &Properties {
        &self.publish.properties
    }

    /// Settles it: PUBACK or PUBREC with this reason, after those of the messages before it.
    pub fn ack(self, reason: Reason) {
        self.ack.settle(reason);
    }

    /// Acknowledges it as a success, and keeps it.
    pub(crate) fn acknowledged(self) -> Self {
        let (message, ack) = self.parted();
        ack.settle(Reason::Success);
        message
    }

    /// The message for somebody who has no say in its acknowledgement.
    pub(crate) fn parted(self) -> (Self, Ack) {
        let done = Ack::new(Arc::clone(&self.ack.shared), None);
        (Self::new(self.publish, done), self.ack)
    }

    /// The packet, and the acknowledgement to settle later.
    pub fn into_parts(self) -> (Publish, Ack) {
        (self.publish, self.ack)
    }
}

/// A SUBSCRIBE to be answered. Dropped, it is never answered.
#[derive(Debug)]
#[must_use = "a client waits for SUBACK"]
pub struct SubscribeRequest {
    pub(crate) subscribe: Subscribe,
    pub(crate) shared: Arc<Shared>,
}

impl SubscribeRequest {
    /// What the client wants, in order.
    pub fn filters(&self) -> &[SubscribeFilter] {
        &self.subscribe.filters
    }

    /// The number it gives these subscriptions (MQTT 5).
    pub fn identifier(&self) -> Option<u32> {
        self.subscribe.properties.subscription_identifiers.first().copied()
    }

    /// What else it said (MQTT 5).
    pub fn properties(&self) -> &Properties {
        &self.subscribe.properties
    }

    /// Grants every filter with the QoS asked for.
    pub fn accept(self) {
        let granted = self.subscribe.filters.iter().map(|f| Self::granted(f.qos)).collect();
        self.answer(granted);
    }

    /// Refuses every filter.
    pub fn refuse(self, reason: Reason) {
        let reasons = vec![reason; self.subscribe.filters.len()];
        self.answer(reasons);
    }

    /// Answers each filter in order; see [`SubscribeRequest::granted`].
    ///
    /// # Panics
    /// When there are not as many reasons as filters.
    pub fn answer(self, reasons: Vec<Reason>) {
        self.answer_with(reasons, None);
    }

    /// Answers each filter in order and tells people why, where the client takes that (MQTT 5).
    ///
    /// # Panics
    /// When there are not as many reasons as filters.
    pub fn answer_with(self, reasons: Vec<Reason>, text: Option<&str>) {
        assert_eq!(reasons.len(), self.subscribe.filters.len(), "a reason for each filter");
        let packet_id = self.subscribe.packet_id;
        let properties = reason_string(text);
        self.shared.reply(Packet::Suback(Suback { packet_id, properties, reasons }));
    }

    /// The reason that grants a QoS.
    pub fn granted(qos: QoS) -> Reason {
        match qos {
            QoS::AtMostOnce => Reason::Success,
            QoS::AtLeastOnce => Reason::GrantedQoS1,
            QoS::ExactlyOnce => Reason::GrantedQoS2,
        }
    }
}

/// An UNSUBSCRIBE to be answered. Dropped, it is never answered.
#[derive(Debug)]
#[must_use = "a client waits for UNSUBACK"]
pub struct UnsubscribeRequest {
    pub(crate) unsubscribe: Unsubscribe,
    pub(crate) shared: Arc<Shared>,
}

impl UnsubscribeRequest {
    /// What the client wants no more of, in order.
    pub fn filters(&self) -> &[TopicFilter] {
        &self.unsubscribe.filters
    }

    /// Answers that all are gone.
    pub fn accept(self) {
        let reasons = vec![Reason::Success; self.unsubscribe.filters.len()];
        self.answer(reasons);
    }

    /// Answers each filter in order.
    ///
    /// # Panics
    /// When there are not as many reasons as filters.
    pub fn answer(self, reasons: Vec<Reason>) {
        assert_eq!(reasons.len(), self.unsubscribe.filters.len(), "a reason for each filter");
        let packet_id = self.unsubscribe.packet_id;
        let properties = Properties::default();
        self.shared.reply(Packet::Unsuback(Unsuback { packet_id, properties, reasons }));
    }
}

/// Properties with a text for people, or none.
pub(crate) fn reason_string(text: Option<&str>) -> Properties {
    let mut properties = Properties::default();
    if let Some(text) = text.and_then(|text| Utf8::from_text(text).ok()) {
        properties.fields_mut().reason_string = Some(text);
    }
    properties
}
