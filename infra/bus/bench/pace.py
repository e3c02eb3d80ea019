"""How fast a group moves through a topic, seen from outside through its committed offsets."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.errors import TransientError
from schemas.text import Text

_LOOK_S = 0.02


def pace(admin: AdminClient, group: str, topic: str, records: int, alive: Callable[[], bool], limit_s: float) -> float:
    """Records per second of `group` over partition 0 of `topic`, from its first commit to its last.

    The records before the first commit are left out, and so is the start-up before it. Raises TransientError if the
    group has not committed `records` within `limit_s` seconds or its process is no longer `alive`.
    """
    deadline = time.monotonic() + limit_s
    first: tuple[float, int] | None = None
    while time.monotonic() < deadline and alive():
        done, now = committed(admin, group, topic), time.monotonic()
        if first is None and done > 0:
            first = (now, done)
        if done >= records and first is not None:
            return (records - first[1]) / max(now - first[0], 1e-9)
        time.sleep(_LOOK_S)
    raise TransientError(
        Text(
            f"'{group}' stopped at {committed(admin, group, topic)} of {records} records.",
            f"'{group}' 停在第 {committed(admin, group, topic)} 条, 共 {records} 条。",
        ),
        where=topic,
    )


def committed(admin: AdminClient, group: str, topic: str) -> int:
    """The group's committed offset in partition 0 of a topic; 0 if there is none."""
    request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    answer = admin.list_consumer_group_offsets([request])[group].result()
    return max(0, int(answer.topic_partitions[0].offset))
