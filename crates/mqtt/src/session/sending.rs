//! From what other tasks left to output.

use std::sync::Arc;

use klamm_mqtt_proto::packet::Packet;
use klamm_mqtt_proto::{Delivery, ProtocolVersion, QoS, Reason, Violation};
use tokio::time::Instant;

use super::{End, OUTPUT_BYTES, Session};
use crate::Closed;
use crate::outbox::{Queued, State};

pub(super) fn has_news(state: &State) -> bool {
    !state.settled.is_empty() || !state.replies.is_empty() || state.end.is_some()
}

impl Session {
    pub(super) fn can_send(&self, state: &State) -> bool {
        self.output.len_bytes() < OUTPUT_BYTES
            && state
                .queue
                .front()
                .is_some_and(|next| next.qos == QoS::AtMostOnce || self.outgoing.has_room())
    }

    /// Turns what other tasks left into output.
    pub(super) fn collect(&mut self) {
        if !matches!(self.end, End::Open) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if !has_news(&state) && !self.can_send(&state) {
            return;
        }
        let settled = std::mem::take(&mut state.settled);
        let replies = std::mem::take(&mut state.replies);
        let end = state.end;
        let mut acks = Vec::new();
        for (number, outcome) in settled {
            self.incoming.settle(number, outcome, |packet| acks.push(packet));
        }
        let mut failed = None;
        for packet in acks.into_iter().chain(replies) {
            // 3.1.1 has no word for failure: the connection is closed, and the client sends again.
            failed = failed.or(failure(&packet).filter(|_| self.version == ProtocolVersion::V3));
            if failed.is_some() {
                break;
            }
            self.send(packet);
        }
        if failed.is_none() && self.can_send(&state) {
            let now = Instant::now();
            while self.can_send(&state) {
                let Some(next) = shared.pop(&mut state) else { break };
                self.send_queued(&next, now);
            }
        }
        drop(state);
        if let Some(reason) = failed.or(end) {
            self.end_with(Closed::ByUs(reason), Some((reason, None)));
        }
    }

    fn send_queued(&mut self, next: &Queued, now: Instant) {
        let left = next.expires.map(|expires| expires.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return; // [MQTT-3.3.2-5]
        }
        let mut delivery = Delivery {
            version: self.version,
            dup: false,
            qos: next.qos,
            retain: next.retain,
            packet_id: 0,
            // Rounded up: what has not expired is not sent as expired.
            expiry_seconds: left
                .map(|left| u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)),
            subscription_identifiers: &next.identifiers,
        };
        // [MQTT-3.1.2-25]: as if it had been sent.
        if self.terms.packet_bytes < usize::MAX
            && next.publication.packet_bytes(&delivery) > self.terms.packet_bytes
        {
            return;
        }
        if next.qos > QoS::AtMostOnce {
            let Some(packet_id) = self.outgoing.begin(next.qos) else { return };
            delivery.packet_id = packet_id;
        }
        if let Some(payload) = next.publication.write(&delivery, self.output.tail()) {
            self.output.push(payload);
        }
    }

    /// Puts a packet that answers the client. One larger than it takes must not be sent [MQTT-3.1.2-24]: it goes without
    /// its text, or the connection ends.
    pub(super) fn send(&mut self, packet: Packet) {
        let packet = if self.terms.problem_information { packet } else { stripped(packet) };
        if !self.output.reply(self.version, &packet, self.terms.packet_bytes) {
            self.send_stripped(packet);
        }
    }

    pub(super) fn send_stripped(&mut self, packet: Packet) {
        if self.output.reply(self.version, &packet, self.terms.packet_bytes)
            || self.output.reply(self.version, &stripped(packet), self.terms.packet_bytes)
        {
            return;
        }
        let what = "maximum packet size too small for an answer [MQTT-3.1.2-24]";
        self.end_with(Violation { reason: Reason::PacketTooLarge, what }.into(), None);
    }
}

/// Without the text for people.
fn stripped(mut packet: Packet) -> Packet {
    let properties = match &mut packet {
        Packet::Puback(ack) | Packet::Pubrec(ack) => &mut ack.properties,
        Packet::Suback(suback) => &mut suback.properties,
        Packet::Disconnect(disconnect) => &mut disconnect.properties,
        _ => return packet,
    };
    if properties.reason_string.is_some() {
        properties.fields_mut().reason_string = None;
    }
    packet
}

fn failure(packet: &Packet) -> Option<Reason> {
    match packet {
        Packet::Puback(ack) | Packet::Pubrec(ack) if ack.reason.is_failure() => Some(ack.reason),
        _ => None,
    }
}
