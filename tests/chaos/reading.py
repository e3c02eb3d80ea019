"""Topics read raw, committed records only, and decoded by fastavro: nothing of the bus's own readers is in between."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings

_LOOK_S, _QUIET_LOOKS = 0.1, 600


@contextmanager
def _consumer(settings: Settings) -> Iterator[Consumer]:
    made = Consumer(
        consumer_config(settings, "chaos", **{"enable.partition.eof": True, "auto.offset.reset": "earliest"})
    )
    try:
        yield made
    finally:
        made.close()


def messages(settings: Settings, topic: str) -> list[Message]:
    """Everything committed in a topic, partition by partition in order."""
    with _consumer(settings) as consumer:
        there = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in there])
        out: list[Message] = []
        ended: set[int] = set()
        quiet = 0
        while len(ended) < len(there):
            found = consumer.consume(10_000, _LOOK_S)
            quiet = 0 if found else quiet + 1
            assert quiet < _QUIET_LOOKS, f"{topic} cannot be read to its end"
            for message in found:
                error = message.error()
                if error is None:
                    out.append(message)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(int(message.partition() or 0))
        return sorted(out, key=lambda m: (m.partition(), m.offset()))


def ends(settings: Settings, topic: str, partitions: int) -> dict[int, int]:
    """The offset after everything in each partition, transaction markers included."""
    with _consumer(settings) as consumer:
        places = [TopicPartition(topic, p) for p in range(partitions)]
        return {p.partition: consumer.get_watermark_offsets(p, timeout=20, cached=False)[1] for p in places}


class Reader:
    """Decodes framed values of known schemas."""

    def __init__(self, schemas: dict[int, Any]) -> None:
        self._schemas = {i: fastavro.parse_schema(s) for i, s in schemas.items()}

    def read(self, value: bytes) -> dict[str, Any] | None:
        """The record, or None if the value is not one, whole and with nothing behind it."""
        schema = self._schemas.get(int.from_bytes(value[1:5], "big")) if value[:1] == b"\0" else None
        if schema is None:
            return None
        stream = io.BytesIO(value[5:])
        try:
            found = fastavro.schemaless_reader(stream, schema, None)
        except (EOFError, IndexError, ValueError, UnicodeDecodeError):
            return None
        return dict(found) if stream.read(1) == b"" and isinstance(found, dict) else None
