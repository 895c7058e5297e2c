use super::*;

fn publish(qos: QoS, packet_id: u16) -> Publish {
    let mut publish = Publish::new("a", qos, &b"x"[..]).unwrap();
    publish.packet_id = (qos > QoS::AtMostOnce).then_some(packet_id);
    publish
}

fn take(incoming: &mut Incoming, qos: QoS, packet_id: u16) -> u64 {
    match incoming.handle_publish(publish(qos, packet_id)).unwrap() {
        Received::Message(_, Some(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn settle(incoming: &mut Incoming, number: u64, reason: Reason) -> Vec<Packet> {
    let mut sent = Vec::new();
    incoming.settle(number, reason, |packet| sent.push(packet));
    sent
}

#[test]
fn reason_string_goes_with_its_acknowledgement() {
    let mut incoming = Incoming::new(10, 0);
    let first = take(&mut incoming, QoS::AtLeastOnce, 1);
    let second = take(&mut incoming, QoS::AtLeastOnce, 2);
    let text = Utf8::from_text("no space").unwrap();
    let outcome = Outcome { reason: Reason::QuotaExceeded, text: Some(text.clone()) };
    let mut sent = Vec::new();
    incoming.settle(second, outcome, |packet| sent.push(packet));
    incoming.settle(first, Reason::Success, |packet| sent.push(packet));
    let mut refused = Ack::new(2, Reason::QuotaExceeded);
    refused.properties.fields_mut().reason_string = Some(text);
    assert_eq!(sent, [Packet::Puback(ack(1)), Packet::Puback(refused)]);
}

fn ack(packet_id: u16) -> Ack {
    Ack::new(packet_id, Reason::Success)
}

#[test]
fn acknowledgements_leave_in_the_order_of_messages() {
    let mut incoming = Incoming::new(10, 0);
    let first = take(&mut incoming, QoS::AtLeastOnce, 5);
    let second = take(&mut incoming, QoS::ExactlyOnce, 3);
    let third = take(&mut incoming, QoS::AtLeastOnce, 9);
    assert_eq!(settle(&mut incoming, third, Reason::QuotaExceeded), []);
    assert_eq!(settle(&mut incoming, second, Reason::Success), []);
    assert_eq!(settle(&mut incoming, second, Reason::QuotaExceeded), [], "settled once");
    assert_eq!(
        settle(&mut incoming, first, Reason::Success),
        [
            Packet::Puback(ack(5)),
            Packet::Pubrec(ack(3)),
            Packet::Puback(Ack::new(9, Reason::QuotaExceeded)),
        ]
    );
    assert_eq!(settle(&mut incoming, first, Reason::Success), [], "long gone");
}

#[test]
fn qos_2_message_is_taken_once_until_its_release() {
    let mut incoming = Incoming::new(10, 0);
    let number = take(&mut incoming, QoS::ExactlyOnce, 3);
    let again = |incoming: &mut Incoming| incoming.handle_publish(publish(QoS::ExactlyOnce, 3));
    assert_eq!(again(&mut incoming), Ok(Received::Repeated(None)));
    settle(&mut incoming, number, Reason::Success);
    assert_eq!(again(&mut incoming), Ok(Received::Repeated(Some(Packet::Pubrec(ack(3))))));
    assert_eq!(incoming.handle_pubrel(3), Packet::Pubcomp(ack(3)));
    let unknown = Packet::Pubcomp(Ack::new(3, Reason::PacketIdentifierNotFound));
    assert_eq!(incoming.handle_pubrel(3), unknown);
    take(&mut incoming, QoS::ExactlyOnce, 3);
}

#[test]
fn identifier_of_a_qos_2_message_in_flight_is_not_reused_for_qos_1() {
    let mut incoming = Incoming::new(10, 0);
    take(&mut incoming, QoS::ExactlyOnce, 3);
    let reused = incoming.handle_publish(publish(QoS::AtLeastOnce, 3)).unwrap_err();
    assert_eq!(reused.reason, Reason::ProtocolError);
}

#[test]
fn refused_qos_2_message_may_come_again() {
    let mut incoming = Incoming::new(10, 0);
    let number = take(&mut incoming, QoS::ExactlyOnce, 3);
    settle(&mut incoming, number, Reason::QuotaExceeded);
    take(&mut incoming, QoS::ExactlyOnce, 3);
}

#[test]
fn receive_maximum_counts_qos_2_to_the_end() {
    let mut incoming = Incoming::new(2, 0);
    take(&mut incoming, QoS::AtMostOnce.max(QoS::AtLeastOnce), 1);
    let number = take(&mut incoming, QoS::ExactlyOnce, 2);
    assert!(incoming.is_full());
    let refused = incoming.handle_publish(publish(QoS::AtLeastOnce, 3)).unwrap_err();
    assert_eq!(refused.reason, Reason::ReceiveMaximumExceeded);
    assert!(incoming.handle_publish(publish(QoS::AtMostOnce, 0)).is_ok(), "QoS 0 does not count");
    settle(&mut incoming, 0, Reason::Success);
    settle(&mut incoming, number, Reason::Success);
    take(&mut incoming, QoS::AtLeastOnce, 4);
    assert!(incoming.is_full(), "no PUBCOMP yet");
    incoming.handle_pubrel(2);
    assert!(!incoming.is_full());
}

#[test]
fn topic_aliases_are_defined_used_and_bounded() {
    let mut incoming = Incoming::new(10, 2);
    let mut with = |topic: &str, alias| {
        let mut publish = publish(QoS::AtMostOnce, 0);
        publish.topic = Utf8::from_text(topic).unwrap();
        publish.properties.fields_mut().topic_alias = Some(alias);
        match incoming.handle_publish(publish) {
            Ok(Received::Message(publish, None)) => {
                assert!(publish.properties.is_empty());
                Ok(publish.topic.to_string())
            }
            Ok(other) => panic!("{other:?}"),
            Err(violation) => Err(violation.reason),
        }
    };
    assert_eq!(with("", 1), Err(Reason::ProtocolError));
    assert_eq!(with("a/b", 1).as_deref(), Ok("a/b"));
    assert_eq!(with("", 1).as_deref(), Ok("a/b"));
    assert_eq!(with("c", 1).as_deref(), Ok("c"));
    assert_eq!(with("", 1).as_deref(), Ok("c"));
    assert_eq!(with("x", 0), Err(Reason::TopicAliasInvalid));
    assert_eq!(with("x", 3), Err(Reason::TopicAliasInvalid));
}

#[test]
fn outgoing_messages_are_bounded_and_ids_unique() {
    let mut outgoing = Outgoing::new(2);
    assert_eq!(outgoing.begin(QoS::AtLeastOnce), Some(1));
    assert_eq!(outgoing.begin(QoS::ExactlyOnce), Some(2));
    assert_eq!(outgoing.begin(QoS::AtLeastOnce), None);
    assert_eq!(outgoing.handle_puback(&ack(1)), Ok(Acknowledged::Done(Reason::Success)));
    assert_eq!(outgoing.begin(QoS::AtLeastOnce), Some(3));
    outgoing.last_id = 1;
    outgoing.handle_puback(&ack(3)).unwrap();
    assert_eq!(outgoing.begin(QoS::AtLeastOnce), Some(3), "2 is still in flight");
}

#[test]
fn requests_share_the_identifiers_and_not_the_receive_maximum() {
    let mut outgoing = Outgoing::new(1);
    assert_eq!(outgoing.begin_request(), Some(1));
    assert_eq!(outgoing.begin(QoS::AtLeastOnce), Some(2));
    assert_eq!(outgoing.begin_request(), Some(3));
    outgoing.last_id = 0;
    assert_eq!(outgoing.begin_request(), Some(4));
    assert!(outgoing.handle_puback(&ack(1)).is_err(), "PUBACK for a SUBSCRIBE");
    assert!(outgoing.handle_answer(1) && !outgoing.handle_answer(1) && !outgoing.handle_answer(2));
    assert_eq!(outgoing.in_flight(), 1);
}

#[test]
fn qos_2_goes_out_in_four_steps_and_no_other_way() {
    let mut outgoing = Outgoing::new(9);
    let id = outgoing.begin(QoS::ExactlyOnce).unwrap();
    assert!(outgoing.handle_puback(&ack(id)).is_err());
    assert!(outgoing.handle_pubcomp(&ack(id)).is_err());
    let release = Ok(Acknowledged::Next(Packet::Pubrel(ack(id))));
    assert_eq!(outgoing.handle_pubrec(&ack(id)), release);
    assert_eq!(outgoing.handle_pubrec(&ack(id)), release, "PUBREC twice");
    assert_eq!(outgoing.handle_pubcomp(&ack(id)), Ok(Acknowledged::Done(Reason::Success)));
    assert_eq!(outgoing.in_flight(), 0);
    let id = outgoing.begin(QoS::ExactlyOnce).unwrap();
    let failed = outgoing.handle_pubrec(&Ack::new(id, Reason::QuotaExceeded));
    assert_eq!(failed, Ok(Acknowledged::Done(Reason::QuotaExceeded)));
    let one = outgoing.begin(QoS::AtLeastOnce).unwrap();
    assert!(outgoing.handle_pubrec(&ack(one)).is_err());
}

#[test]
fn acknowledgement_of_a_request_is_refused() {
    let mut outgoing = Outgoing::new(9);
    let request = outgoing.begin_request().unwrap();
    assert!(outgoing.handle_puback(&ack(request)).is_err());
    assert!(outgoing.handle_pubrec(&ack(request)).is_err());
    assert!(outgoing.handle_pubcomp(&ack(request)).is_err());
    assert!(outgoing.handle_answer(request));
    assert_eq!(outgoing.in_flight(), 0);
}
