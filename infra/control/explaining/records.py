"""Stretches of topics, read by a consumer that belongs to no group: committed records only, and no more than asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.runtime.kafka import consumer_config
from infra.runtime.log import unreachable
from infra.runtime.settings import Settings
from schemas.errors import BusError, ConfigError, TransientError
from schemas.text import Text

_TIMEOUT_S = 10.0
_SILENCE_S = 15.0
_AT_ONCE = 5_000
_REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
)
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class Records:
    """Close it when done. Raises ConfigError where access is refused or a topic is gone, TransientError out of reach."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = Consumer(
            consumer_config(
                settings,
                "bus.control-log",  # never joined and never committed to; librdkafka insists on a name
                **{"enable.partition.eof": True},
            )
        )

    def partitions(self, topic: str) -> int:
        """How many a topic has."""
        try:
            found = self._consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        except KafkaException as error:
            raise self._ours(error.args[0], topic) from error
        if found.error is not None:
            raise self._ours(found.error, topic)
        return len(found.partitions)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset, and the one after the last."""
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_TIMEOUT_S, cached=False
            )
        except KafkaException as error:
            raise self._ours(error.args[0], topic) from error
        return int(low), int(high)

    def since(self, topic: str, partition: int, at_ms: int) -> int:
        """The first offset whose record is not older than a moment; the end if all are."""
        try:
            (found,) = self._consumer.offsets_for_times([TopicPartition(topic, partition, max(at_ms, 0))], _TIMEOUT_S)
        except KafkaException as error:
            raise self._ours(error.args[0], topic) from error
        return int(found.offset) if found.offset >= 0 else self.bounds(topic, partition)[1]

    def read(self, topic: str, partition: int, begin: int, end: int) -> Iterator[Message]:
        """The records in offsets [begin, end) that are there, in order."""
        low, high = self.bounds(topic, partition)
        begin, end = max(begin, low), min(end, high)
        if begin >= end:
            return
        self._consumer.assign([TopicPartition(topic, partition, begin)])
        heard = time.monotonic()
        while True:
            for message in self._consumer.consume(_AT_ONCE, 0.2):
                heard, error = time.monotonic(), message.error()
                if error is None and message.offset() < end:
                    yield message
                elif error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise self._ours(error, topic)
                else:
                    return
            if time.monotonic() - heard > _SILENCE_S:
                raise TransientError(Text("the cluster falls silent.", "集群停止应答。"), where=f"{topic}[{partition}]")

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ours(self, error: KafkaError, topic: str) -> BusError:
        if error.code() in _REFUSED:
            return ConfigError(
                Text("the cluster refuses you this topic.", "集群拒绝您访问该主题。"),
                where=topic,
                hint=Text(
                    "Only who may read the source topic may have it explained.", "仅有权读取源主题者可查询其处理情况。"
                ),
            )
        if error.code() in _GONE:
            return ConfigError(Text("this topic is not there.", "该主题不存在。"), where=topic)
        return unreachable(self._settings, KafkaException(error))
