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
_LOOK_S = 0.1
QUICK = {"reconnect.backoff.ms": 10}
"""For clients that live for one run: the first connection otherwise waits a random part of 100 ms."""
_CONFIG = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    # only closed segments are compacted, and every opening publisher reads all that is left: keep the open one small
    "segment.bytes": "1048576",
    "segment.ms": "3600000",
}


def position_key(adapter: str, resource: str) -> bytes:
    """Key of the record; ids hold no `/`."""
    return f"{adapter}/{resource}".encode()


def encode_position(position: str, published_at: int) -> bytes:
    """Value of the record: the position, and when it was written (milliseconds since 1970 UTC)."""
    return json.dumps({"position": position, "published_at": published_at}).encode()


def create_positions(settings: Settings) -> None:
    """Create the topic, and return when it serves requests. TransientError if the cluster is out of reach."""
    client = admin(settings)
    try:
        client.create_topics([NewTopic(POSITIONS_TOPIC, 1, config=_CONFIG)])[POSITIONS_TOPIC].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise as_ours(error, POSITIONS_TOPIC) from error
    await_topics(client, [POSITIONS_TOPIC])


def read_position(settings: Settings, adapter: str, resource: str, timeout_s: float = READ_TIMEOUT_S) -> str | None:
    """The last committed position, or None. Call it after `init_transactions`, which ends what the predecessor began.

    Raises TransientError if it takes longer than `timeout_s` seconds to read the topic to its end.
    """
    config = consumer_config(settings, "bus.positions", **QUICK, **{"enable.partition.eof": True})
    consumer = Consumer(config)  # assigned, not subscribed: the group is never joined
    try:
        consumer.assign([TopicPartition(POSITIONS_TOPIC, 0, 0)])
        return _scan(consumer, position_key(adapter, resource), timeout_s)
    except KafkaException as error:
        raise as_ours(error, POSITIONS_TOPIC) from error
    finally:
        consumer.close()


def _scan(consumer: Consumer, key: bytes, timeout_s: float) -> str | None:
    """Reads to the high watermark, not to the last stable offset, where Kafka says the end is: our record may lie behind
    another publisher's open transaction."""
    deadline = time.monotonic() + timeout_s
    place = TopicPartition(POSITIONS_TOPIC, 0)
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
        where=f"{POSITIONS_TOPIC}[0]@{reached}",
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
            where=f"{POSITIONS_TOPIC}[0]@{message.offset()}",
        ) from error
