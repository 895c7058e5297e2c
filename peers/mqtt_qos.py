"""Publishes and subscribes in both versions with every QoS, and checks what arrives.

    mqtt_qos.py PORT PREFIX

For each version and each pair of publisher's and subscriber's QoS: all messages arrive once, in order, with the lower QoS.
"""

import queue
import sys

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

PATIENCE = 60
COUNT = 40


def connected(port, name, version):
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
    client.ready = queue.Queue()
    client.inbox = queue.Queue()
    client.on_connect = lambda c, u, flags, reason, properties: c.ready.put(reason)
    client.on_subscribe = lambda c, u, mid, reasons, properties: c.ready.put(reasons)
    client.on_message = lambda c, u, message: c.inbox.put(message)
    client.max_inflight_messages_set(20)
    client.connect("127.0.0.1", port)
    client.loop_start()
    reason = client.ready.get(timeout=PATIENCE)
    assert not reason.is_failure, f"{name}: {reason}"
    return client


def every_qos(port, prefix, version, label):
    publisher = connected(port, f"{prefix}-pub-{label}", version)
    for subscribed in (0, 1, 2):
        subscriber = connected(port, f"{prefix}-sub-{label}-{subscribed}", version)
        subscriber.subscribe(f"{prefix}/{label}/{subscribed}/+", qos=subscribed)
        granted = subscriber.ready.get(timeout=PATIENCE)
        assert [reason.value for reason in granted] == [subscribed], granted
        for published in (0, 1, 2):
            topic = f"{prefix}/{label}/{subscribed}/{published}"
            sent = [publisher.publish(topic, f"{topic}/{n}", qos=published) for n in range(COUNT)]
            for info in sent:
                info.wait_for_publish(timeout=PATIENCE)
                assert info.is_published(), f"{topic}: not acknowledged"
            for n in range(COUNT):
                message = subscriber.inbox.get(timeout=PATIENCE)
                assert message.payload.decode() == f"{topic}/{n}", (topic, n, message.payload)
                assert message.topic == topic, message.topic
                assert message.qos == min(published, subscribed), (topic, message.qos)
                assert not message.retain, topic
        assert subscriber.inbox.empty(), "more than was published"
        subscriber.disconnect()
        subscriber.loop_stop()
    publisher.disconnect()
    publisher.loop_stop()


def properties_survive(port, prefix):
    subscriber = connected(port, f"{prefix}-sub-properties", MQTTv5)
    subscriber.subscribe(f"{prefix}/properties", qos=1)
    subscriber.ready.get(timeout=PATIENCE)
    publisher = connected(port, f"{prefix}-pub-properties", MQTTv5)
    sent = Properties(PacketTypes.PUBLISH)
    sent.ContentType = "application/json"
    sent.ResponseTopic = "answers/here"
    sent.CorrelationData = b"\x00\x01\xff"
    sent.PayloadFormatIndicator = 1
    sent.MessageExpiryInterval = 600
    sent.UserProperty = [("a", "1"), ("b", ""), ("a", "2"), ("mqtt.qos", "mine")]
    publisher.publish(f"{prefix}/properties", "{}", qos=1, properties=sent).wait_for_publish(PATIENCE)
    got = subscriber.inbox.get(timeout=PATIENCE).properties
    assert got.ContentType == sent.ContentType, got
    assert got.ResponseTopic == sent.ResponseTopic, got
    assert got.CorrelationData == sent.CorrelationData, got
    assert got.PayloadFormatIndicator == 1, got
    assert 0 < got.MessageExpiryInterval <= 600, got
    assert got.UserProperty == sent.UserProperty, got.UserProperty
    for client in (publisher, subscriber):
        client.disconnect()
        client.loop_stop()


def main():
    port, prefix = int(sys.argv[1]), sys.argv[2]
    every_qos(port, prefix, MQTTv311, "v3")
    every_qos(port, prefix, MQTTv5, "v5")
    properties_survive(port, prefix)
    print("ok")


main()
