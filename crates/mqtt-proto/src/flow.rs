//! The flows of application messages over one connection (section 4.3), without IO or time.
//!
//! Incoming, as seen by the receiver:
//!
//! ```text
//! QoS 1   PUBLISH -> taken --settle--> PUBACK
//! QoS 2   PUBLISH -> taken --settle--> PUBREC -> PUBREL -> PUBCOMP
//!                      |                  ^ again with DUP: not taken twice
//!                      +--settle with a failure--> PUBREC, forgotten
//! ```
//!
//! Acknowledgements leave in the order in which the messages came [MQTT-4.6.0-2], [MQTT-4.6.0-3], whatever the order in
//! which they are settled.
//!
//! Outgoing, as seen by the sender:
//!
//! ```text
//! QoS 1   PUBLISH -> PUBACK
//! QoS 2   PUBLISH -> PUBREC -> PUBREL -> PUBCOMP
//!                       +-- with a failure: done
//! ```

use std::collections::{HashMap, VecDeque};

use crate::packet::{Ack, Packet, Publish};
use crate::{QoS, Reason, Utf8, Violation};

/// Entries for which an empty queue keeps room: 16 of 48 bytes; a burst's room is given back.
const KEPT: usize = 16;

/// Messages coming in.
#[derive(Debug)]
pub struct Incoming {
    receive_maximum: u16,
    topic_alias_maximum: u16,
    aliases: HashMap<u16, Utf8>,
    /// Taken and not acknowledged yet, in order.
    taken: VecDeque<Taken>,
    /// Number of the first in `taken`.
    first: u64,
    /// QoS 1 messages among `taken`.
    at_least_once: usize,
    /// QoS 2: identifiers between PUBLISH and PUBREL; true once PUBREC was sent.
    received: HashMap<u16, bool>,
}

#[derive(Debug)]
struct Taken {
    packet_id: u16,
    qos: QoS,
    settled: Option<Outcome>,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Success, or why not.
    pub reason: Reason,
    /// For people (MQTT 5).
    pub text: Option<Utf8>,
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Self { reason, text: None }
    }
}

/// What to do with a PUBLISH.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Hand it on. The number settles it later; QoS 0 has none.
    Message(Publish, Option<u64>),
    /// It came before: nothing, or this packet again.
    Repeated(Option<Packet>),
}

impl Incoming {
    /// `receive_maximum` and `topic_alias_maximum` as told to the peer.
    pub fn new(receive_maximum: u16, topic_alias_maximum: u16) -> Self {
        Self {
            receive_maximum,
            topic_alias_maximum,
            aliases: HashMap::new(),
            taken: VecDeque::new(),
            first: 0,
            at_least_once: 0,
            received: HashMap::new(),
        }
    }

    /// No further QoS 1 or 2 message may come before one is acknowledged.
    pub fn is_full(&self) -> bool {
        self.in_flight() >= usize::from(self.receive_maximum)
    }

    /// Messages taken and not acknowledged yet, QoS 2 ones until PUBREC.
    pub fn unsettled(&self) -> usize {
        self.taken.len()
    }

    /// QoS 2 counts until PUBCOMP.
    fn in_flight(&self) -> usize {
        self.at_least_once + self.received.len()
    }

    /// Takes a PUBLISH; a topic alias is resolved.
    ///
    /// # Errors
    /// Receive maximum exceeded [MQTT-3.3.4-9], a topic alias that cannot be [MQTT-3.3.2-8], [MQTT-3.3.2-12], or the
    /// identifier of a QoS 2 message in flight [MQTT-2.2.1-3].
    pub fn handle_publish(&mut self, mut publish: Publish) -> Result<Received, Violation> {
        self.resolve_alias(&mut publish)?;
        let Some(packet_id) = publish.packet_id else {
            return Ok(Received::Message(publish, None));
        };
        if let Some(acknowledged) = self.received.get(&packet_id) {
            if publish.qos == QoS::AtLeastOnce {
                let what = "packet identifier of a QoS 2 message in flight [MQTT-2.2.1-3]";
                return Err(Violation::protocol(what));
            }
            let again = acknowledged.then(|| Packet::Pubrec(Ack::new(packet_id, Reason::Success)));
            return Ok(Received::Repeated(again));
        }
        if self.is_full() {
            let what = "more messages than the receive maximum [MQTT-3.3.4-9]";
            return Err(Violation::with(Reason::ReceiveMaximumExceeded, what));
        }
        if publish.qos == QoS::ExactlyOnce {
            self.received.insert(packet_id, false);
        } else {
            self.at_least_once += 1;
        }
        let number = self.first + self.taken.len() as u64;
        self.taken.push_back(Taken { packet_id, qos: publish.qos, settled: None });
        Ok(Received::Message(publish, Some(number)))
    }

    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<(), Violation> {
        let Some(alias) = publish.properties.topic_alias else { return Ok(()) };
        if alias == 0 || alias > self.topic_alias_maximum {
            let what = "topic alias out of range [MQTT-3.3.2-8], [MQTT-3.3.2-9]";
            return Err(Violation::with(Reason::TopicAliasInvalid, what));
        }
        if publish.topic.is_empty() {
            let what = "topic alias that stands for nothing [MQTT-3.3.2-12]";
            let known = self.aliases.get(&alias).ok_or(Violation::protocol(what))?;
            publish.topic = known.clone();
        } else {
            // A slice of the packet would keep all of it.
            let own = Utf8::from_text(&publish.topic)?;
            self.aliases.insert(alias, own);
        }
        publish.properties.fields_mut().topic_alias = None;
        Ok(())
    }

    /// Settles a message by its number; what may be sent now is handed to `send`. A number settled twice is ignored.
    pub fn settle(
        &mut self,
        number: u64,
        outcome: impl Into<Outcome>,
        mut send: impl FnMut(Packet),
    ) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(taken) = index.and_then(|index| self.taken.get_mut(index)) else { return };
        taken.settled.get_or_insert(outcome.into());
        while let Some(outcome) = self.taken.front_mut().and_then(|taken| taken.settled.take()) {
            self.first += 1;
            let Some(taken) = self.taken.pop_front() else { break };
            let mut ack = Ack::new(taken.packet_id, outcome.reason);
            if let Some(text) = outcome.text {
                ack.properties.fields_mut().reason_string = Some(text);
            }
            if taken.qos == QoS::AtLeastOnce {
                self.at_least_once -= 1;
                send(Packet::Puback(ack));
                continue;
            }
            if outcome.reason.is_failure() {
                self.received.remove(&taken.packet_id);
            } else {
                self.received.insert(taken.packet_id, true);
            }
            send(Packet::Pubrec(ack));
        }
        if self.taken.is_empty() && self.taken.capacity() > KEPT {
            self.taken = VecDeque::new();
        }
    }

    /// Answers a PUBREL.
    pub fn handle_pubrel(&mut self, packet_id: u16) -> Packet {
        let known = self.received.get(&packet_id).is_some_and(|acknowledged| *acknowledged);
        if known {
            self.received.remove(&packet_id);
        }
        let reason = if known { Reason::Success } else { Reason::PacketIdentifierNotFound };
        Packet::Pubcomp(Ack::new(packet_id, reason))
    }
}

/// Messages going out.
#[derive(Debug)]
pub struct Outgoing {
    receive_maximum: u16,
    last_id: u16,
    in_flight: HashMap<u16, Awaits>,
    /// Requests among `in_flight`.
    requests: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Puback,
    Pubrec,
    Pubcomp,
    /// SUBACK or UNSUBACK: requests draw their identifiers from the same space [MQTT-2.2.1-3].
    Answer,
}

/// What an acknowledgement led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// The message is done, with this outcome.
    Done(Reason),
    /// Send this next.
    Next(Packet),
}

impl Outgoing {
    /// `receive_maximum` as the peer told it.
    pub fn new(receive_maximum: u16) -> Self {
        Self { receive_maximum, last_id: 0, in_flight: HashMap::new(), requests: 0 }
    }

    /// Messages sent and not done.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() - self.requests
    }

    /// Whether another QoS 1 or 2 message may go out [MQTT-3.3.4-7].
    pub fn has_room(&self) -> bool {
        self.in_flight() < usize::from(self.receive_maximum)
    }

    /// Takes the next free packet identifier for a message of QoS 1 or 2; `None` without room.
    pub fn begin(&mut self, qos: QoS) -> Option<u16> {
        if !self.has_room() {
            return None;
        }
        self.take_id(if qos == QoS::ExactlyOnce { Awaits::Pubrec } else { Awaits::Puback })
    }

    /// Takes the next free packet identifier for a SUBSCRIBE or UNSUBSCRIBE, which the receive maximum does not count.
    pub fn begin_request(&mut self) -> Option<u16> {
        let id = self.take_id(Awaits::Answer)?;
        self.requests += 1;
        Some(id)
    }

    /// Takes the answer to a request; false when there is none of that identifier.
    pub fn handle_answer(&mut self, packet_id: u16) -> bool {
        let known = self.in_flight.get(&packet_id) == Some(&Awaits::Answer);
        if known {
            self.in_flight.remove(&packet_id);
            self.requests -= 1;
        }
        known
    }

    fn take_id(&mut self, awaits: Awaits) -> Option<u16> {
        if self.in_flight.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.in_flight.contains_key(&self.last_id) {
                break;
            }
        }
        self.in_flight.insert(self.last_id, awaits);
        Some(self.last_id)
    }

    /// Gives the identifier of a message back that was not sent after all.
    pub fn forget(&mut self, packet_id: u16) {
        self.in_flight.remove(&packet_id);
    }

    /// Takes a PUBACK.
    ///
    /// # Errors
    /// When no QoS 1 message of that identifier is in flight: it would end another message's flow.
    pub fn handle_puback(&mut self, ack: &Ack) -> Result<Acknowledged, Violation> {
        match self.in_flight.get(&ack.packet_id) {
            Some(Awaits::Puback) => {
                self.in_flight.remove(&ack.packet_id);
                Ok(Acknowledged::Done(ack.reason))
            }
            Some(_) => Err(Violation::protocol("PUBACK for a QoS 2 message [MQTT-4.3.3-1]")),
            // Late, for a message of an earlier life of the identifier: nothing to end.
            None => Ok(Acknowledged::Done(Reason::PacketIdentifierNotFound)),
        }
    }

    /// Takes a PUBREC.
    ///
    /// # Errors
    /// When the identifier is that of a QoS 1 message or of a request.
    pub fn handle_pubrec(&mut self, ack: &Ack) -> Result<Acknowledged, Violation> {
        let id = ack.packet_id;
        match self.in_flight.get_mut(&id) {
            Some(Awaits::Puback) => {
                Err(Violation::protocol("PUBREC for a QoS 1 message [MQTT-4.3.2-1]"))
            }
            Some(Awaits::Answer) => {
                Err(Violation::protocol("PUBREC for what is no message [MQTT-2.2.1-3]"))
            }
            Some(Awaits::Pubrec) if ack.reason.is_failure() => {
                self.in_flight.remove(&id);
                Ok(Acknowledged::Done(ack.reason))
            }
            Some(awaits) => {
                *awaits = Awaits::Pubcomp;
                Ok(Acknowledged::Next(Packet::Pubrel(Ack::new(id, Reason::Success))))
            }
            None => {
                let ack = Ack::new(id, Reason::PacketIdentifierNotFound);
                Ok(Acknowledged::Next(Packet::Pubrel(ack)))
            }
        }
    }

    /// Takes a PUBCOMP.
    ///
    /// # Errors
    /// When the message has not come so far.
    pub fn handle_pubcomp(&mut self, ack: &Ack) -> Result<Acknowledged, Violation> {
        match self.in_flight.get(&ack.packet_id) {
            Some(Awaits::Pubcomp) => {
                self.in_flight.remove(&ack.packet_id);
                Ok(Acknowledged::Done(ack.reason))
            }
            Some(_) => Err(Violation::protocol("PUBCOMP before PUBREL [MQTT-4.3.3-1]")),
            None => Ok(Acknowledged::Done(Reason::PacketIdentifierNotFound)),
        }
    }
}

#[cfg(test)]
mod tests;
