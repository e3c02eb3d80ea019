"""One grant's topic, read from given positions by a consumer that belongs to no group: the sink holds the offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.kafka_errors import as_ours, gone, out_of_range
from consumers.view import Origin
from infra.runtime.kafka import admin, consumer_config
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import own_groups
from schemas.policy_state import GrantInForce

_TIMEOUT_S = 10.0


def origin_of(client: AdminClient, grant: GrantInForce) -> Origin:
    """The grant's topic as it is now. PermanentError if it is not there, TransientError if the cluster is not."""
    try:
        found = client.describe_topics(TopicCollection([grant.topic]), request_timeout=_TIMEOUT_S)
        described = found[grant.topic].result()
    except KafkaException as error:
        raise as_ours(error.args[0], grant.topic) from error
    return Origin(grant.topic, str(described.topic_id), grant.generation, len(described.partitions))


class GrantTopic:
    """Reads all partitions of a topic. One thread at a time; close it when done.

    `positions` are the offsets to read next. They pass transaction markers too, which no record shows: librdkafka tells
    of them where a partition ends.
    """

    def __init__(self, settings: Settings, grant: GrantInForce) -> None:
        self._topic = grant.topic
        self._admin = admin(settings)
        self.origin = origin_of(self._admin, grant)
        self._consumer = Consumer(
            consumer_config(
                settings,
                own_groups(grant.grant.subscriber)
                + "deliver",  # never joined and never committed to; librdkafka insists on a name
                **{"auto.offset.reset": "error", "enable.partition.eof": True, "queued.min.messages": 50_000},
            )
        )
        self.positions: dict[int, int] = {}
        self._ended: set[int] = set()
        self._asked: Future[Any] | None = None

    @property
    def at_end(self) -> bool:
        """Whether every partition was read to its end, and nothing has come since."""
        return len(self._ended) == self.origin.partitions

    @property
    def lag(self) -> int:
        """Offsets between the positions and the ends last heard of."""
        total = 0
        for partition, position in self.positions.items():
            found = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            total += max(0, found[1] - position) if found else 0
        return total

    def seek(self, positions: Mapping[int, int]) -> None:
        """Read on from `positions`, one per partition. PermanentError if the topic does not have them (any more)."""
        if set(positions) != set(range(self.origin.partitions)):
            raise out_of_range(self._topic)
        places = [TopicPartition(self._topic, p, offset) for p, offset in sorted(positions.items())]
        try:
            for place in places:
                low, high = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S, cached=False)
                if not low <= place.offset <= high:
                    raise out_of_range(f"{self._topic}[{place.partition}]@{place.offset}")
            self._consumer.assign(places)
        except KafkaException as error:
            raise as_ours(error.args[0], self._topic) from error
        self.positions = dict(positions)
        self._ended.clear()

    def left_unread(self, before_ms: int) -> str | None:
        """A place from which something written before a moment (milliseconds since 1970 UTC) has not been read; None if there
        is none. What compaction took counts too: the offsets are still passed."""
        asked = [TopicPartition(self._topic, p, before_ms) for p in self.positions]
        try:
            for place in self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_S):
                first, position = place.offset, self.positions[place.partition]
                if first < 0:  # nothing is that young
                    _, first = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S, cached=False)
                if position < first:
                    return f"{self._topic}[{place.partition}]@{position}"
        except KafkaException as error:
            raise as_ours(error.args[0], self._topic) from error
        return None

    def take(self, most: int, wait_s: float, linger_s: float) -> list[Message]:
        """Up to `most` records: waits `wait_s` for the first, then `linger_s` for company. Raises what `as_ours` says."""
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        messages = [first]
        if not _is_end(first) or not self.at_end:
            messages += self._consumer.consume(most - 1, linger_s)
        return [m for m in messages if self._record(m)]

    def give_back(self, messages: Sequence[Message]) -> None:
        """These were taken last, in this order, and are not used: they are read again."""
        first: dict[int, int] = {}
        for message in messages:
            first.setdefault(message.partition() or 0, message.offset() or 0)
        self.back_to(first)

    def back_to(self, positions: Mapping[int, int]) -> None:
        """Read on from positions that were passed."""
        try:
            for partition, offset in positions.items():
                self._consumer.seek(TopicPartition(self._topic, partition, offset))
                self.positions[partition] = offset
                self._ended.discard(partition)
        except KafkaException as error:
            raise as_ours(error.args[0], self._topic) from error

    def check_identity(self, *, ask: bool) -> None:
        """PermanentError if the topic was deleted, or made anew, since it was opened, as far as answers have come.

        Nobody waits for one: while another broker takes over it would not come for seconds in which records could be read. A
        question that nobody answers says nothing; the next one is asked as if it had not been.
        """
        if ask and self._asked is None:
            asked = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=_TIMEOUT_S)
            self._asked = asked[self._topic]
        if self._asked is None or not self._asked.done():
            return
        answer, self._asked = self._asked, None
        try:
            found = answer.result()
        except KafkaException as error:
            said = as_ours(error.args[0], self._topic)
            if isinstance(said, TransientError):
                return
            raise said from error
        if str(found.topic_id) != self.origin.topic_id:
            raise gone(self._topic)

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def _record(self, message: Message) -> bool:
        """Note how far a message brings its partition; whether it is a record."""
        partition, offset = message.partition(), message.offset()
        error = message.error()
        if error is None:
            assert partition is not None and offset is not None
            self.positions[partition] = offset + 1
            self._ended.discard(partition)
            return True
        if not _is_end(message):
            raise as_ours(error, f"{self._topic}[{partition}]")
        assert partition is not None and offset is not None
        self.positions[partition] = max(self.positions[partition], offset)
        self._ended.add(partition)
        return False


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def records_before(messages: Sequence[Message], fence: Mapping[int, int] | None) -> list[Message]:
    """The messages before a fence: what stands behind it was not released under the grant."""
    if fence is None:
        return list(messages)
    return [m for m in messages if (m.offset() or 0) < fence.get(m.partition() or 0, 0)]
