//! The flows of a connection, driven by any dialogue, beside a plain model of them.

use std::collections::{HashMap, HashSet, VecDeque};

use klamm_mqtt_proto::flow::{Acknowledged, Incoming, Outgoing, Received};
use klamm_mqtt_proto::packet::{Ack, Packet, Publish};
use klamm_mqtt_proto::{QoS, Reason};

/// Three bytes are a step: what is done, and with which number.
pub fn dialogue(data: &[u8]) {
    let Some(([receive_maximum, aliases], steps)) = data.split_first_chunk::<2>() else { return };
    let maximum = u16::from(*receive_maximum % 8) + 1;
    let mut receiver = Receiver::new(maximum, u16::from(*aliases % 4));
    let mut sender = Sender { flow: Outgoing::new(maximum), open: HashMap::new(), maximum };
    for step in steps.chunks_exact(3) {
        let id = u16::from(step[1] % 12) + 1;
        match step[0] % 12 {
            0 => receiver.publish(QoS::AtMostOnce, id, step[2]),
            1 => receiver.publish(QoS::AtLeastOnce, id, step[2]),
            2 => receiver.publish(QoS::ExactlyOnce, id, step[2]),
            3 => receiver.settle(step[1], step[2] & 1 == 0),
            4 => receiver.release(id),
            5 => sender.begin(if step[2] & 1 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce }),
            6 => sender.acknowledge(Kind::Puback, id, step[2]),
            7 => sender.acknowledge(Kind::Pubrec, id, step[2]),
            8 => sender.acknowledge(Kind::Pubcomp, id, step[2]),
            9 => sender.request(),
            10 => sender.answer(id),
            _ => sender.forget(id),
        }
    }
}

/// Incoming messages, and what the other end knows of them.
struct Receiver {
    flow: Incoming,
    maximum: u16,
    alias_maximum: u16,
    aliases: HashSet<u16>,
    /// Handed on and not acknowledged yet, in order: number, identifier, QoS, settled.
    taken: VecDeque<(u64, u16, QoS, bool)>,
    /// QoS 2 identifiers between PUBLISH and PUBCOMP.
    received: HashSet<u16>,
}

impl Receiver {
    fn new(maximum: u16, alias_maximum: u16) -> Self {
        Self {
            flow: Incoming::new(maximum, alias_maximum),
            maximum,
            alias_maximum,
            aliases: HashSet::new(),
            taken: VecDeque::new(),
            received: HashSet::new(),
        }
    }

    fn in_flight(&self) -> usize {
        self.taken.iter().filter(|(_, _, qos, _)| *qos == QoS::AtLeastOnce).count()
            + self.received.len()
    }

    fn publish(&mut self, qos: QoS, id: u16, how: u8) {
        let mut publish = Publish::new("a", qos, &b"x"[..]).expect("a topic name");
        publish.packet_id = (qos > QoS::AtMostOnce).then_some(id);
        let alias = (how & 1 != 0).then_some(u16::from(how >> 2) % 6);
        let unnamed = how & 2 != 0 && alias.is_some();
        if let Some(alias) = alias {
            publish.properties.fields_mut().topic_alias = Some(alias);
            if unnamed {
                publish.topic = Default::default();
            }
        }
        let alias_good = alias.is_none_or(|alias| {
            (1..=self.alias_maximum).contains(&alias) && (!unnamed || self.aliases.contains(&alias))
        });
        let full = self.in_flight() >= usize::from(self.maximum);
        assert_eq!(self.flow.is_full(), full);
        let repeated = qos == QoS::ExactlyOnce && self.received.contains(&id);
        let in_use = qos == QoS::AtLeastOnce && self.received.contains(&id);
        match self.flow.handle_publish(publish) {
            Ok(Received::Message(message, number)) => {
                assert!(alias_good && !repeated && !in_use);
                assert_eq!(&*message.topic, "a", "the alias stands for its topic name");
                assert_eq!(number.is_some(), qos > QoS::AtMostOnce);
                if let Some(number) = number {
                    assert!(!full, "more than the receive maximum");
                    self.taken.push_back((number, id, qos, false));
                }
                if qos == QoS::ExactlyOnce {
                    self.received.insert(id);
                }
            }
            Ok(Received::Repeated(_)) => assert!(alias_good && repeated),
            Err(violation) => {
                let above_maximum = full && qos > QoS::AtMostOnce && !repeated;
                assert!(!alias_good || in_use || above_maximum, "{violation}");
            }
        }
        if alias_good && let Some(alias) = alias.filter(|_| !unnamed) {
            self.aliases.insert(alias);
        }
    }

    fn settle(&mut self, which: u8, success: bool) {
        if self.taken.is_empty() {
            return;
        }
        let index = usize::from(which) % self.taken.len();
        let (number, ..) = self.taken[index];
        let again = self.taken[index].3;
        self.taken[index].3 = true;
        let reason = if success { Reason::Success } else { Reason::QuotaExceeded };
        let mut sent = Vec::new();
        self.flow.settle(number, reason, |packet| sent.push(packet));
        assert!(!again || sent.is_empty(), "settled twice, acknowledged twice");
        for packet in sent {
            let (_, id, qos, settled) = self.taken.pop_front().expect("one not acknowledged");
            assert!(settled, "acknowledged before it was settled");
            match packet {
                Packet::Puback(ack) => assert_eq!((qos, ack.packet_id), (QoS::AtLeastOnce, id)),
                Packet::Pubrec(ack) => {
                    assert_eq!((qos, ack.packet_id), (QoS::ExactlyOnce, id));
                    if ack.reason.is_failure() {
                        self.received.remove(&id);
                    }
                }
                other => panic!("{other:?} settles nothing"),
            }
        }
        assert!(self.taken.front().is_none_or(|first| !first.3), "an acknowledgement held back");
    }

    fn release(&mut self, id: u16) {
        let waits = self.taken.iter().any(|(_, of, qos, _)| *of == id && *qos == QoS::ExactlyOnce);
        let known = self.received.contains(&id) && !waits;
        let Packet::Pubcomp(ack) = self.flow.handle_pubrel(id) else { panic!("no PUBCOMP") };
        assert_eq!((ack.packet_id, ack.reason == Reason::Success), (id, known));
        if known {
            self.received.remove(&id);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Puback,
    Pubrec,
    Pubcomp,
    Answer,
}

/// Outgoing messages: identifier and the acknowledgement that each awaits.
struct Sender {
    flow: Outgoing,
    open: HashMap<u16, Kind>,
    maximum: u16,
}

impl Sender {
    fn begin(&mut self, qos: QoS) {
        match self.flow.begin(qos) {
            Some(id) => {
                assert!(id > 0 && !self.open.contains_key(&id), "identifier in use");
                let awaits = if qos == QoS::AtLeastOnce { Kind::Puback } else { Kind::Pubrec };
                self.open.insert(id, awaits);
            }
            None => assert_eq!(self.messages(), usize::from(self.maximum)),
        }
        assert_eq!(self.flow.in_flight(), self.messages());
    }

    fn messages(&self) -> usize {
        self.open.values().filter(|awaits| **awaits != Kind::Answer).count()
    }

    fn request(&mut self) {
        let id = self.flow.begin_request().expect("65,535 identifiers");
        assert!(self.open.insert(id, Kind::Answer).is_none(), "identifier in use");
        assert_eq!(self.flow.in_flight(), self.messages());
    }

    fn answer(&mut self, id: u16) {
        let known = self.open.get(&id) == Some(&Kind::Answer);
        assert_eq!(self.flow.handle_answer(id), known);
        if known {
            self.open.remove(&id);
        }
        assert_eq!(self.flow.in_flight(), self.messages());
    }

    fn forget(&mut self, id: u16) {
        // A caller gives back what it began; requests are not among it.
        if self.open.get(&id) != Some(&Kind::Answer) {
            self.flow.forget(id);
            self.open.remove(&id);
        }
        assert_eq!(self.flow.in_flight(), self.messages());
    }

    fn acknowledge(&mut self, kind: Kind, id: u16, how: u8) {
        let reason = if how & 1 == 0 { Reason::Success } else { Reason::QuotaExceeded };
        let ack = Ack::new(id, reason);
        let result = match kind {
            Kind::Puback => self.flow.handle_puback(&ack),
            Kind::Pubrec => self.flow.handle_pubrec(&ack),
            Kind::Pubcomp | Kind::Answer => self.flow.handle_pubcomp(&ack),
        };
        let awaits = self.open.get(&id).copied();
        match (awaits, kind) {
            (Some(Kind::Pubrec), Kind::Pubrec) if reason.is_failure() => {
                assert_eq!(result, Ok(Acknowledged::Done(reason)));
                self.open.remove(&id);
            }
            (Some(Kind::Pubrec | Kind::Pubcomp), Kind::Pubrec) => {
                assert!(matches!(result, Ok(Acknowledged::Next(Packet::Pubrel(_)))));
                self.open.insert(id, Kind::Pubcomp);
            }
            (Some(awaited), kind) if awaited == kind => {
                assert_eq!(result, Ok(Acknowledged::Done(reason)));
                self.open.remove(&id);
            }
            (Some(_), _) => assert!(result.is_err(), "a step out of order"),
            (None, _) => assert!(result.is_ok(), "late acknowledgements end nothing"),
        }
        assert_eq!(self.flow.in_flight(), self.messages());
    }
}
