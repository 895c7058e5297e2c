"""A member of a consumer group that tells what happens to it, a JSON object a line.

    group_member.py BOOTSTRAP TOPIC GROUP [NAME=VALUE ...]

It commits each record after it has told of it, and leaves the group when standard input ends.
"""

import json
import select
import sys

from confluent_kafka import Consumer, KafkaException


def tell(**what):
    print(json.dumps(what), flush=True)


def partitions(of):
    return sorted(p.partition for p in of)


def main():
    bootstrap, topic, group, *settings = sys.argv[1:]
    config = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "topic.metadata.refresh.interval.ms": 1000,
        "allow.auto.create.topics": True,
    }
    config.update(setting.split("=", 1) for setting in settings)
    consumer = Consumer(config)
    consumer.subscribe(
        [topic],
        on_assign=lambda _, of: tell(event="assigned", partitions=partitions(of)),
        on_revoke=lambda _, of: tell(event="revoked", partitions=partitions(of)),
        on_lost=lambda _, of: tell(event="revoked", partitions=partitions(of)),
    )
    while not select.select([sys.stdin], [], [], 0)[0]:
        message = consumer.poll(0.1)
        if message is None:
            continue
        if message.error():
            tell(event="error", text=str(message.error()))
            continue
        tell(
            event="record",
            partition=message.partition(),
            offset=message.offset(),
            value=message.value().decode(),
        )
        try:
            consumer.commit(message, asynchronous=False)
        except KafkaException as error:
            # The partition went to another member meanwhile: that one tells of the record too.
            tell(event="uncommitted", partition=message.partition(), text=str(error))
    committed = consumer.committed(consumer.assignment(), timeout=20)
    consumer.close()
    tell(event="left", committed={p.partition: p.offset for p in committed})


main()
