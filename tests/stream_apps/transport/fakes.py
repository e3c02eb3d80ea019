"""Messages without a broker."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from stream_apps.transport.unit import Place


def message(place: Place, offset: int, error: KafkaError | None = None) -> Message:
    """A message of one byte at a place."""
    return Message(topic=place.topic, partition=place.partition, offset=offset, value=b"v", error=error)


def messages(place: Place, start: int, end: int) -> list[Message]:
    """One message per offset."""
    return [message(place, offset) for offset in range(start, end)]
