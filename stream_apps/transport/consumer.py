"""The real consumer as the poll thread uses it. Every call of it is made in that thread.

Another thread's call would wait for the poll to return, and group metadata fetched later than its records lets a stale
unit's commit through (DESIGN 4, invariant 2).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import PermanentError
from schemas.text import Text
from stream_apps.transport.unit import Committed, Place

_log = logging.getLogger(__name__)

MAX_POLL_INTERVAL_MS = 120_000
"""A rebalance may wait for the unit in flight and the owner may read the control log, both inside a poll."""
COMMITTED_TIMEOUT_S = 20.0
"""The group's offsets are unreadable while the last owner's transaction is open: its timeout of 5 s, and some."""
_METADATA_S = 5.0

Places = Callable[[Sequence[Place]], None]


class SourceConsumer:
    """A cooperative consumer in terms of places and offsets."""

    def __init__(self, properties: Mapping[str, Any], assigned: Places, revoked: Places) -> None:
        """`assigned` and `revoked` are called inside polls, and must call `assign` and `unassign` themselves."""
        self._assigned, self._revoked = assigned, revoked
        self.ends: dict[Place, int] = {}
        """Where readers of committed records stand at the end, as the statistics last said."""
        self._consumer = Consumer(
            {
                **properties,
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # a position the log no longer holds is a loss: it must be seen, not skipped
                "auto.offset.reset": "error",
                "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
                "topic.metadata.refresh.interval.ms": 5_000,
                "queued.max.messages.kbytes": 65_536,
                # full queues are looked at again after this; the default of 1 s shows as stalls
                "fetch.queue.backoff.ms": 10,
                "statistics.interval.ms": 2_000,
                "stats_cb": self._on_statistics,
            }
        )

    def subscribe(self, topics: Sequence[str]) -> None:
        """Replace the subscription."""
        if topics:
            self._consumer.subscribe(
                list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
        else:
            self._consumer.unsubscribe()

    def missing(self, topics: Iterable[str]) -> set[str]:
        """Those topics the cluster does not know now. Asking makes librdkafka notice the ones it does."""
        known = self._consumer.list_topics(timeout=_METADATA_S).topics
        return {topic for topic in topics if topic not in known}

    def consume(self, records: int, timeout: float) -> list[Message]:
        """Up to so many records or errors; waits for the first at most."""
        return self._consumer.consume(records, timeout)

    def poll(self, timeout: float) -> list[Message]:
        """Serve rebalances; a record only if one slips through a pause."""
        message = self._consumer.poll(timeout)
        return [] if message is None else [message]

    def positions(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where reading stands, for those places where it has begun."""
        asked = [TopicPartition(*place) for place in places]
        if not asked:
            return {}
        return {Place(p.topic, p.partition): p.offset for p in self._consumer.position(asked) if p.offset >= 0}

    def group(self) -> Any:
        """The group metadata of this moment."""
        return self._consumer.consumer_group_metadata()

    def committed(self, places: Sequence[Place]) -> dict[Place, Committed]:
        """What the group holds. Raises KafkaException if the coordinator does not answer in time."""
        found = self._consumer.committed([TopicPartition(*p) for p in places], timeout=COMMITTED_TIMEOUT_S)
        answer = {}
        for p in found:
            if p.error is not None:
                raise KafkaException(p.error)
            answer[Place(p.topic, p.partition)] = Committed(p.offset if p.offset >= 0 else None, p.metadata or "")
        return answer

    def assign(self, places: Mapping[Place, int]) -> None:
        """Take these places on, from these offsets."""
        self._consumer.incremental_assign([TopicPartition(*place, offset) for place, offset in places.items()])

    def unassign(self, places: Iterable[Place]) -> None:
        """Let these places go."""
        self._consumer.incremental_unassign([TopicPartition(*place) for place in places])

    def seek(self, place: Place, offset: int) -> bool:
        """Read on from there; False if the place is not being fetched yet (just assigned) and must be asked again."""
        try:
            self._consumer.seek(TopicPartition(*place, offset))
        except KafkaException as error:
            if error.args[0].code() == KafkaError._STATE:
                return False
            raise
        return True

    def pause(self, places: Iterable[Place]) -> None:
        """Fetch nothing from these."""
        self._consumer.pause([TopicPartition(*place) for place in places])

    def resume(self, places: Iterable[Place]) -> None:
        """Fetch from these again."""
        self._consumer.resume([TopicPartition(*place) for place in places])

    def close(self) -> None:
        """Leave the group, so that another worker takes over at once."""
        self._consumer.close()

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned([Place(p.topic, p.partition) for p in partitions])

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._revoked([Place(p.topic, p.partition) for p in partitions])

    def _on_statistics(self, text: str) -> None:
        self.ends = {
            Place(topic, int(number)): partition["ls_offset"]
            for topic, about in json.loads(text)["topics"].items()
            for number, partition in about["partitions"].items()
            if partition["ls_offset"] >= 0
        }


_PASSING = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._RESOLVE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._PARTITION_EOF,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.REQUEST_TIMED_OUT,
}
"""librdkafka goes on by itself after these. A topic may not exist yet, or not any more."""


def raise_unless_passing(errors: Sequence[KafkaError]) -> None:
    """Let what librdkafka recovers from pass, and raise the first of all others (PermanentError)."""
    for error in errors:
        if error.fatal() or not (error.retriable() or error.code() in _PASSING):
            raise PermanentError(
                Text(
                    f"the source cannot be read on: {error.name()}: {error.str()}",
                    f"无法继续读取源主题: {error.name()}: {error.str()}",
                )
            ) from KafkaException(error)
        _log.info("the source consumer waits: %s", error.name())
