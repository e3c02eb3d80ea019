"""What a partition holds, read by a consumer that belongs to no group, up to where the group stands and no further."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from stream_apps.transport.consumer import raise_unless_passing
from stream_apps.transport.unit import Place

REPLAY_GROUP = "bus.exchange-replay"
_AT_ONCE = 5_000
_LOOK_S = 0.005
"""What follows the last record may be a transaction's marker, which only moves the position: look at it so often."""


class History:
    """One partition from an offset on. One thread at a time. What it has read but not given it keeps."""

    def __init__(self, settings: Settings, place: Place, at: int) -> None:
        config = consumer_config(
            settings,
            REPLAY_GROUP,
            **{"enable.partition.eof": True, "queued.max.messages.kbytes": 16_384},  # several are open at once
        )
        self._consumer: Any = Consumer(config)
        self._place = TopicPartition(place.topic, place.partition, at)
        self._consumer.assign([self._place])
        self._kept: deque[Message] = deque()
        self._position = at

    def read(self, most: int, until: int, seconds: float) -> tuple[list[Message], int]:
        """At most so many records before the offset `until`, and the offset to read next (`until`, if there are no more
        before it). Waits until it has them, `seconds` at most. PermanentError if the topic cannot be read."""
        deadline = time.monotonic() + seconds
        while len(self._kept) < most and self._position < until and time.monotonic() < deadline:
            self._fetch(most - len(self._kept))
        out: list[Message] = []
        while self._kept and len(out) < most and _offset(self._kept[0]) < until:
            out.append(self._kept.popleft())
        return out, min(until, _offset(self._kept[0]) if self._kept else self._position)

    def ready(self, until: int, seconds: float) -> bool:
        """Whether all before an offset has been read; waits for it, `seconds` at most."""
        deadline = time.monotonic() + seconds
        while self._position < until and time.monotonic() < deadline:
            self._fetch(_AT_ONCE)
        return self._position >= until

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def _fetch(self, most: int) -> None:
        found = self._consumer.consume(1, _LOOK_S)
        if found and most > 1:
            found += self._consumer.consume(most - 1, 0)
        for message in found:
            error = message.error()
            if error is None:
                self._kept.append(message)
            else:
                raise_unless_passing([error])
                if error.code() == KafkaError._PARTITION_EOF:
                    self._position = max(self._position, message.offset())
        (stands,) = self._consumer.position([self._place])
        self._position = max(self._position, stands.offset)  # below 0 before the first record


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset
