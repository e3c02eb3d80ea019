"""Which of some records of a partition are still the newest of their Kafka key. What a later record follows is not the truth
any more, whatever that later one says."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from stream_apps.transport.consumer import raise_unless_passing
from stream_apps.transport.unit import Place

_AT_ONCE = 10_000
_WAIT_S = 0.1


class Newest:
    """Reads a partition from the first of `offsets` on, by a consumer that belongs to no group. Close it when done.

    at     everything before this offset has been seen
    found  by offset, the records asked for that no later one of their key follows, up to there. One that compaction has
           removed is not among them: it had a successor
    """

    def __init__(self, settings: Settings, place: Place, offsets: Collection[int]) -> None:
        config = consumer_config(
            settings, "bus.exchange-replay", **{"auto.offset.reset": "earliest", "enable.partition.eof": True}
        )
        self._wanted = frozenset(offsets)
        self._newest: dict[bytes, Message] = {}
        self.at = min(self._wanted)
        self._consumer: Any = Consumer(config)
        self._consumer.assign([TopicPartition(place.topic, place.partition, self.at)])

    @property
    def found(self) -> dict[int, Message]:
        """See the class."""
        return {m.offset() or 0: m for m in self._newest.values()}

    def read(self) -> None:
        """What comes within a tenth of a second. TransientError if the cluster is out of reach."""
        for message in self._consumer.consume(_AT_ONCE, _WAIT_S):
            error, offset = message.error(), message.offset()
            if error is not None:
                raise_unless_passing([error])
                if error.code() == KafkaError._PARTITION_EOF:
                    self.at = max(self.at, offset)
                continue
            key = message.key() or b""
            if offset in self._wanted:
                self._newest[key] = message
            else:
                self._newest.pop(key, None)
            self.at = offset + 1

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()
