"""What nobody may read any more leaves the bus: the records of a grant that has ended, of all its generations.

A broker does not authorise a fetch again that it has parked. Where nothing more is written, such a fetch comes back when its
wait is over, with whatever the topic still holds; of a topic that was purged it brings nothing. Ends are not moved by it:
what the fence says stays true. An amended grant's former generation is not purged while the grant goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from infra.control.topics import PURGEABLE, refused
from infra.runtime.kafka import passes
from schemas.ids import grant_topic
from schemas.policy_state import GrantInForce

Before = dict[tuple[str, int], int]
"""Offset before which a partition is purged; `OFFSET_END`: whatever it holds."""

GIVE_UP_S = 5.0
_TIMEOUT_S = 10.0
_AGAIN_S = 0.05
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


def unread(grant: GrantInForce, counts: Mapping[str, int]) -> dict[str, int]:
    """Topics that nobody may read any more since a grant ended, with their partitions; none while it goes on or was amended.

    counts   partitions of every topic there is
    """
    if grant.end_reason in (None, "superseded"):
        return {}
    names = (grant_topic(grant.grant.id, n) for n in range(1, grant.generation + 1))
    return {name: counts[name] for name in names if name in counts}


def everything(topics: Mapping[str, int]) -> Before:
    """All that topics (with their partitions) hold."""
    return {(topic, p): OFFSET_END for topic, partitions in topics.items() for p in range(partitions)}


def purge(client: AdminClient, before: Before) -> Callable[[], None]:
    """Remove the records before the given offsets. Sent at once, whether or not somebody waits for the answer.

    What is returned waits until it is done, and asks again where that helps. It raises TransientError if the cluster is out of
    reach and PermanentError if it refuses; purging again goes on. A topic that is gone has nothing left to purge.
    """
    asked = _ask(client, before)

    def done() -> None:
        answers, give_up = asked, time.monotonic() + GIVE_UP_S
        while left := _left(answers):
            late = time.monotonic() > give_up
            lost = {place: error for place, error in left.items() if late or not _again(error)}
            if lost:
                (topic, _), error = next(iter(lost.items()))
                raise refused(error, topic) from error
            _allow(client, {topic for (topic, _), error in left.items() if _code(error) == KafkaError.POLICY_VIOLATION})
            time.sleep(_AGAIN_S)
            answers = _ask(client, {place: before[place] for place in left})

    return done


def _ask(client: AdminClient, before: Before) -> dict[TopicPartition, Any]:
    places = [TopicPartition(topic, p, offset) for (topic, p), offset in before.items()]
    return client.delete_records(places, request_timeout=_TIMEOUT_S) if places else {}


def _left(answers: Mapping[TopicPartition, Any]) -> dict[tuple[str, int], KafkaException]:
    """What was not purged, and why. Waits for the answers."""
    out = {}
    for place, answer in answers.items():
        try:
            answer.result()
        except KafkaException as error:
            if _code(error) not in _GONE:
                out[place.topic, place.partition] = error
    return out


def _again(error: KafkaException) -> bool:
    return passes(error.args[0]) or _code(error) == KafkaError.POLICY_VIOLATION


def _allow(client: AdminClient, topics: Collection[str]) -> None:
    """Let topics be purged that were made when they could not be."""
    if not topics:
        return
    setting = AlterConfigOpType.SET
    entries = [ConfigEntry(name, value, incremental_operation=setting) for name, value in PURGEABLE.items()]
    resources = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries) for topic in topics]
    for resource, done in client.incremental_alter_configs(resources, request_timeout=_TIMEOUT_S).items():
        try:
            done.result()
        except KafkaException as error:
            raise refused(error, resource.name) from error


def _code(error: KafkaException) -> int:
    code: int = error.args[0].code()
    return code
