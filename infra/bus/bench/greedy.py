"""`python -m infra.bus.bench.greedy TOPIC GROUP`: a subscriber that takes all it can get, with its own credentials.

Eight clients read the topic from its beginning, again and again, as fast as the broker gives it, and ask for the cluster's
metadata all the while. Ends on SIGTERM; prints how many bytes of records it got.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, TopicPartition

from infra.bus.process import stop_on_signals
from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings

_CLIENTS = 8


def main(arguments: list[str]) -> int:
    """0."""
    topic, group = arguments
    settings, stop = Settings().located(), threading.Event()
    with stop_on_signals(stop.set), ThreadPoolExecutor(_CLIENTS) as pool:
        got = sum(pool.map(lambda _: _read(settings, topic, group, stop), range(_CLIENTS)))
    print(got, flush=True)  # noqa: T201 - the answer, for whoever started this
    return 0


def _read(settings: Settings, topic: str, group: str, stop: threading.Event) -> int:
    consumer = Consumer(consumer_config(settings, group, **{"enable.partition.eof": True}))
    start, got = TopicPartition(topic, 0, 0), 0
    consumer.assign([start])
    while not stop.is_set():
        for message in consumer.consume(10_000, 0.1):
            if message.error() is None:
                got += len(message)
            else:
                consumer.list_topics(topic, timeout=5)
                consumer.assign([start])
    consumer.close()
    return got


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
