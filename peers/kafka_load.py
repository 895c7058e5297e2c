"""Produces with acks=all and idempotence until standard input ends, and tells what was acknowledged.

    kafka_load.py BOOTSTRAP TOPIC NAME

Each acknowledged record is a line "PARTITION OFFSET VALUE"; a record that failed for good is a line "failed REASON".
"""

import select
import sys
import time

from confluent_kafka import Producer


def acknowledged(error, message):
    if error is not None:
        print(f"failed {error}", flush=True)
    else:
        print(message.partition(), message.offset(), message.value().decode(), flush=True)


def main():
    bootstrap, topic, name = sys.argv[1:]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 2,
            "batch.num.messages": 20,
            # The server comes back; until then records wait.
            "message.timeout.ms": 120000,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "retry.backoff.ms": 50,
            "retry.backoff.max.ms": 500,
        }
    )
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        if len(producer) < 500:
            key = str(number % 16)
            producer.produce(topic, f"{name}-{number}", key, on_delivery=acknowledged)
            number += 1
            producer.poll(0)
            if number % 50 == 0:
                # A steady load, not the fastest.
                time.sleep(0.01)
        else:
            producer.poll(0.05)
    left = producer.flush(120)
    print(f"done {number} {left}", flush=True)


main()
