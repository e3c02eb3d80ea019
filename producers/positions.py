"""How far a publisher has come, as Kafka holds it: one record per adapter in the resource's own `positions.<resource>`."""

from __future__ import annotations

import json
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from producers.kafka_errors import as_ours
from schemas.contract import Contract
from schemas.errors import PermanentError, TransientError
from schemas.ids import own_groups, positions_topic
from schemas.text import Text

READ_TIMEOUT_S = 20.0
_LOOK_S = 0.1
QUICK = {"reconnect.backoff.ms": 10}
"""For clients that live for one run: the first connection otherwise waits a random part of 100 ms."""


def position_key(adapter: str, resource: str) -> bytes:
    """Key of the record; ids hold no `/`."""
    return f"{adapter}/{resource}".encode()


def encode_position(position: str, published_at: int) -> bytes:
    """Value of the record: the position, and when it was written (milliseconds since 1970 UTC)."""
    return json.dumps({"position": position, "published_at": published_at}).encode()


def read_position(
    settings: Settings, adapter: str, contract: Contract, timeout_s: float = READ_TIMEOUT_S
) -> str | None:
    """The last committed position of an adapter of the contract's resource, or None. Call it after `init_transactions`, which ends what the predecessor began.

    Raises TransientError if it takes longer than `timeout_s` seconds to read the topic to its end.
    """
    # assigned, not subscribed: the group is never joined, but librdkafka asks for its coordinator all the same
    group = own_groups(contract.resource.provider) + "positions"
    consumer = Consumer(consumer_config(settings, group, **QUICK, **{"enable.partition.eof": True}))
    place = TopicPartition(positions_topic(contract.id), 0, 0)
    try:
        consumer.assign([place])
        return _scan(consumer, place, position_key(adapter, contract.id), timeout_s)
    except KafkaException as error:
        raise as_ours(error, place.topic) from error
    finally:
        consumer.close()


def _scan(consumer: Consumer, place: TopicPartition, key: bytes, timeout_s: float) -> str | None:
    """Reads to the high watermark, not to the last stable offset, where Kafka says the end is: our record may lie behind
    another adapter's open transaction."""
    deadline = time.monotonic() + timeout_s
    found: str | None = None
    reached, end = 0, -1
    while time.monotonic() < deadline:
        message = consumer.poll(_LOOK_S)
        if message is None:
            continue
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        if end < 0:  # what others add from now on is not ours
            end = int(consumer.get_watermark_offsets(place, cached=True)[1])
        reached = int(message.offset() or 0) + (error is None)
        if error is None and message.key() == key:
            found = _decode(message)
        if 0 <= end <= reached:
            return found
    raise TransientError(
        Text("the publishers' positions could not be read to their end.", "无法读完发布位点。"),
        where=f"{place.topic}[0]@{reached}",
    )


def _decode(message: Message) -> str | None:
    value = message.value()
    if value is None:
        return None
    try:
        return str(json.loads(value)["position"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(
            Text("a publisher's position cannot be read.", "发布位点无法读取。"),
            where=f"{message.topic()}[0]@{message.offset()}",
        ) from error
