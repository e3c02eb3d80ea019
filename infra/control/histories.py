"""How far new grants have come with the history of their resource, as the exchange committed it: seen from outside, no worker asked.

A partition's mark (`stream_apps/exchange/marks.py`) names the epoch up to which grants are live, those that missed something,
and the pass under way with the offset it has come to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.control.topics import refused
from schemas.ids import EXCHANGE_GROUP, source_topic
from schemas.policy_state import GrantInForce

_NOT_YOURS = (
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_ID_NOT_FOUND,
)


@dataclass(frozen=True, slots=True)
class History:
    """Offsets of the source topic, all partitions together: what a grant has had, and what there is so far."""

    done: int
    of: int


def histories(client: AdminClient, grants: Sequence[GrantInForce]) -> dict[str, History]:
    """By id, the grants that do not get live records yet, in at least one partition. Others are live, or nobody has worked on
    their resource so far.

    Nothing for who may not look at the exchange's group. TransientError if the cluster does not answer.
    """
    marks = _marks(client, grants) if grants else {}
    found = {g.grant.id: _of(g, marks.get(g.grant.resource, ())) for g in grants}
    return {grant: history for grant, history in found.items() if history is not None}


def lost_track(client: AdminClient, grants: Sequence[GrantInForce]) -> frozenset[tuple[str, int]]:
    """Those grants, by id and generation, that get nothing more in at least one partition, because the exchange was away for so
    long that compaction may have taken ends of their rows. Raises what `histories` does."""
    marks = _marks(client, grants) if grants else {}
    return frozenset(
        (g.grant.id, g.generation)
        for g in grants
        if any(g.opened <= said.get("lost", -1) for _, said in marks.get(g.grant.resource, ()))
    )


_Mark = tuple[int, dict[str, Any]]
"""Offset to read next, and what is said with it."""


def _of(grant: GrantInForce, marks: Iterable[_Mark]) -> History | None:
    done = of = 0
    waits = False
    for at, said in marks:
        had = _had(grant.opened, at, said)
        waits |= had is not None
        done, of = done + (at if had is None else had), of + at
    return History(done, of) if waits else None


def _had(opened: int, at: int, said: dict[str, Any]) -> int | None:
    """Offsets of a partition that a grant was given; None if it is live there."""
    if opened <= said.get("live", -1) and opened not in said.get("off", ()):
        return None
    replay = said.get("replay") or {}
    return min(int(replay.get("at", 0)), at) if opened in replay.get("g", ()) else 0


def _marks(client: AdminClient, grants: Sequence[GrantInForce]) -> dict[str, list[_Mark]]:
    """By resource, what was committed for each of its partitions."""
    counts = {g.grant.resource: g.contract.resource.partitions for g in grants if g.contract is not None}
    places = {source_topic(r): r for r in counts}
    asked = [TopicPartition(source_topic(r), p) for r, n in counts.items() for p in range(n)]
    try:
        request = ConsumerGroupTopicPartitions(EXCHANGE_GROUP, asked)
        answer = client.list_consumer_group_offsets([request], request_timeout=10)[EXCHANGE_GROUP].result()
    except KafkaException as error:
        if error.args[0].code() in _NOT_YOURS:
            return {}
        raise refused(error, EXCHANGE_GROUP) from error
    out: dict[str, list[_Mark]] = {}
    for place in answer.topic_partitions:
        said = _read(place.metadata)
        if place.offset > 0 and said is not None:
            out.setdefault(places[place.topic], []).append((place.offset, said))
    return out


def _read(metadata: str | None) -> dict[str, Any] | None:
    try:
        said: Any = json.loads(metadata or "")
    except ValueError:
        return None
    return said if isinstance(said, dict) and "live" in said else None
