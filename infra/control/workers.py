"""Who works on a partition, as the exchange's consumer group shows it: its members, and what they committed last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, NamedTuple

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.control.topics import refused
from schemas.ids import EXCHANGE_GROUP


class Place(NamedTuple):
    """A partition of a source topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Worker:
    """The worker of a place, as far as it can be seen.

    epoch         the policy epoch it committed last, -1 if never
    transaction   the transactional.id it announced, None if never
    gone          the group has no members at all
    nobody        nobody has ever announced itself here, and the settled group has given the place to no one: whoever
                  comes will read the control log to its end first
    """

    epoch: int
    transaction: str | None
    gone: bool
    nobody: bool


def prepare(client: AdminClient) -> None:
    """Let the client connect to the cluster and the group's coordinator while something else is done, so that `observe`
    answers at once (connecting takes it 50 to 110 ms).

    What it is told is dropped, errors too: only `observe`, asked after the fact it is to prove, says anything.
    """

    def connect() -> None:
        with suppress(KafkaException):
            client.list_topics(timeout=10)
            client.describe_consumer_groups([EXCHANGE_GROUP], request_timeout=10)[EXCHANGE_GROUP].result()

    Thread(target=connect, name="prepare", daemon=True).start()


def observe(client: AdminClient, places: Sequence[Place]) -> dict[Place, Worker]:
    """What the group shows now; nothing of no places. TransientError if the cluster does not answer.

    Members are asked for first: who joins afterwards reads the control log later than that, to its end.
    """
    if not places:
        return {}
    members, settled = _members(client)
    announced = _announced(client, places)
    out: dict[Place, Worker] = {}
    for place in places:
        epoch, transaction = announced.get(place, (-1, None))
        nobody = transaction is None and settled and place not in members
        out[place] = Worker(epoch, transaction, gone=members is _EMPTY, nobody=nobody)
    return out


_EMPTY: frozenset[Place] = frozenset()


def _members(client: AdminClient) -> tuple[frozenset[Place], bool]:
    """The places members hold (`_EMPTY` itself: there are no members), and whether the group is settled."""
    try:
        group = client.describe_consumer_groups([EXCHANGE_GROUP], request_timeout=10)[EXCHANGE_GROUP].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return _EMPTY, True
        raise refused(error, EXCHANGE_GROUP) from error
    if not group.members:
        return _EMPTY, True
    held = {Place(tp.topic, tp.partition) for m in group.members for tp in m.assignment.topic_partitions}
    return frozenset({*held, _NOWHERE}), group.state == ConsumerGroupState.STABLE


_NOWHERE = Place("", -1)


def _announced(client: AdminClient, places: Sequence[Place]) -> dict[Place, tuple[int, str | None]]:
    asked = ConsumerGroupTopicPartitions(EXCHANGE_GROUP, [TopicPartition(t, p) for t, p in places])
    try:
        answer = client.list_consumer_group_offsets([asked], request_timeout=10)[EXCHANGE_GROUP].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return {}
        raise refused(error, EXCHANGE_GROUP) from error
    return {Place(tp.topic, tp.partition): _read(tp.metadata) for tp in answer.topic_partitions}


def _read(metadata: str | None) -> tuple[int, str | None]:
    """A text that is not ours announces nothing, and so confirms nothing."""
    try:
        said: Any = json.loads(metadata or "{}")
    except ValueError:
        return -1, None
    if not isinstance(said, dict):
        return -1, None
    epoch, transaction = said.get("e"), said.get("t")
    return (epoch if isinstance(epoch, int) else -1), (transaction if isinstance(transaction, str) else None)
