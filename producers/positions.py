"""How far a publisher has come, as Kafka holds it: one record per adapter and resource in `bus.positions`."""

from __future__ import annotations

import json
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.cimpl import NewTopic

from infra.runtime.kafka import admin, await_topics, consumer_config
from infra.runtime.settings import Settings
from producers.kafka_errors import as_ours
from schemas.errors import PermanentError, TransientError
from schemas.ids import POSITIONS_TOPIC
from schemas.text import Text

READ_TIMEOUT_S = 20.0
_CONFIG = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.ms": "86400000"}


def position_key(adapter: str, resource: str) -> bytes:
    """Key of the record; ids hold no `/`."""
    return f"{adapter}/{resource}".encode()


def encode_position(position: str, published_at: int) -> bytes:
    """Value of the record: the position, and when it was written (milliseconds since 1970 UTC)."""
    return json.dumps({"position": position, "published_at": published_at}).encode()


def ensure_positions(settings: Settings) -> None:
    """Create the topic if the cluster has none. TransientError if the cluster is out of reach."""
    client = admin(settings)
    try:
        if POSITIONS_TOPIC not in client.list_topics(timeout=10).topics:
            client.create_topics([NewTopic(POSITIONS_TOPIC, 1, config=_CONFIG)])[POSITIONS_TOPIC].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise as_ours(error, POSITIONS_TOPIC) from error
    await_topics(client, [POSITIONS_TOPIC])


def read_position(settings: Settings, adapter: str, resource: str, timeout_s: float = READ_TIMEOUT_S) -> str | None:
    """The last committed position, or None. Call it after `init_transactions`, which ends what the predecessor began.

    Reads to the high watermark, not to the last stable offset: our record may lie behind another publisher's open
    transaction. Raises TransientError if that takes longer than `timeout_s` seconds.
    """
    config = consumer_config(settings, "bus.positions", **{"enable.partition.eof": True})
    consumer = Consumer(config)  # assigned, not subscribed: the group is never joined
    try:
        place = TopicPartition(POSITIONS_TOPIC, 0, 0)
        end = _end(settings, place, timeout_s)
        consumer.assign([place])
        return _scan(consumer, position_key(adapter, resource), end, timeout_s)
    except KafkaException as error:
        raise as_ours(error, POSITIONS_TOPIC) from error
    finally:
        consumer.close()


def _end(settings: Settings, place: TopicPartition, timeout_s: float) -> int:
    config = consumer_config(settings, "bus.positions", **{"isolation.level": "read_uncommitted"})
    consumer = Consumer(config)
    try:
        return int(consumer.get_watermark_offsets(place, timeout=timeout_s, cached=False)[1])
    finally:
        consumer.close()


def _scan(consumer: Consumer, key: bytes, end: int, timeout_s: float) -> str | None:
    deadline = time.monotonic() + timeout_s
    found: str | None = None
    reached = 0
    while reached < end:
        if time.monotonic() > deadline:
            raise TransientError(
                Text("the publishers' positions could not be read to their end.", "无法读完发布位点。"),
                where=f"{POSITIONS_TOPIC}[0]@{reached}",
            )
        for message in consumer.consume(10_000, 0.2):
            reached = max(reached, _next(message))
            if message.error() is None and message.key() == key:
                found = _decode(message)
    return found


def _next(message: Message) -> int:
    """The offset after a record; the end of what is stable, for the mark that says it was reached."""
    error = message.error()
    if error is None:
        return int(message.offset() or 0) + 1
    if error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return int(message.offset() or 0)


def _decode(message: Message) -> str | None:
    value = message.value()
    if value is None:
        return None
    try:
        return str(json.loads(value)["position"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(
            Text("a publisher's position cannot be read.", "发布位点无法读取。"),
            where=f"{POSITIONS_TOPIC}[0]@{message.offset()}",
        ) from error
