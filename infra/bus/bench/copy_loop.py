"""The practical limit of the Python client: consume in batches, `produce_batch`, one transaction with offsets per poll.

    python -m infra.bus.bench.copy_loop SOURCE TARGET GROUP

It reads the same topic as the exchange, with the same limits and the same client properties, and copies bytes. It runs
until it is killed.
"""

from __future__ import annotations

import gc
import sys

from confluent_kafka import Consumer, Producer

from infra.runtime.kafka import consumer_config, producer_config
from infra.runtime.settings import Settings

RECORDS, WAIT_S = 10_000, 0.1


def main(source: str, target: str, group: str) -> None:
    """Copy for ever."""
    settings = Settings().located()
    gc.freeze()
    gc.disable()
    producer = Producer(producer_config(settings, f"{group}.copy"))
    producer.init_transactions()
    consumer = Consumer(consumer_config(settings, group, **{"queued.min.messages": 200_000}))
    consumer.subscribe([source])
    while True:
        messages = consumer.consume(RECORDS, WAIT_S)
        if not messages:
            continue
        producer.begin_transaction()
        batch = [{"value": m.value(), "key": m.key()} for m in messages]
        if producer.produce_batch(target, batch, partition=0) != len(batch):
            raise BufferError("the producer's queue is full")
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()


if __name__ == "__main__":
    main(*sys.argv[1:4])
