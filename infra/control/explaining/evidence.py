"""Evidence found again: the stretches a record was judged with, the policy they were judged under, its dead letters."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from infra.control.explaining.records import Records
from infra.runtime.log import LogReader
from infra.runtime.settings import Settings
from schemas.evidence import Stretch, place_key, read_stretch
from schemas.ids import DEAD_LETTER_TOPIC, EVIDENCE_TOPIC, POLICY_TOPIC
from schemas.policy_log import decode
from schemas.policy_state import PolicyState

_CLOCKS_DIFFER_MS = 3_600_000
"""A record's time is its writer's clock; evidence of it is looked for from so long before."""
_UNIT_MS = 60_000
"""A unit is written within this time of its judgement, or aborted and judged anew."""


def stretches(
    records: Records, topic: str, partition: int, since_ms: int, until_ms: int | None = None
) -> Iterator[Stretch]:
    """The evidence of a partition written since a moment (until another), in order."""
    begin = records.since(EVIDENCE_TOPIC, 0, since_ms)
    end = records.bounds(EVIDENCE_TOPIC, 0)[1]
    wanted = place_key(topic, partition)
    for message in records.read(EVIDENCE_TOPIC, 0, begin, end):
        if until_ms is not None and message.timestamp()[1] > until_ms + _UNIT_MS:
            return
        if message.key() == wanted:
            yield read_stretch(message.value(), message.offset() or 0)


def of_record(records: Records, topic: str, partition: int, offset: int, written_ms: int) -> list[Stretch]:
    """The stretches one record of a source topic was judged with: live, and as history of later grants."""
    found = stretches(records, topic, partition, written_ms - _CLOCKS_DIFFER_MS)
    return [s for s in found if s.covers(offset)]


def near(records: Records, topic: str, partition: int, released_ms: int) -> list[Stretch]:
    """The stretches judged around the time an event was written."""
    since, until = released_ms - _UNIT_MS, released_ms + _UNIT_MS
    return [s for s in stretches(records, topic, partition, since, until) if since <= s.at <= until]


def letter(records: Records, stretch: Stretch, offset: int, grant: str) -> tuple[int, str] | None:
    """The dead letter that a record left for a grant when a stretch was judged: its offset and the reason."""
    key = f"{stretch.topic}:{stretch.partition}:{offset}".encode()
    begin = records.since(DEAD_LETTER_TOPIC, 0, stretch.at - _UNIT_MS)
    for message in records.read(DEAD_LETTER_TOPIC, 0, begin, records.bounds(DEAD_LETTER_TOPIC, 0)[1]):
        if message.timestamp()[1] > stretch.at + 2 * _UNIT_MS:
            return None
        if message.key() == key:
            said: dict[str, Any] = json.loads(message.value() or b"{}")
            if said.get("at") == stretch.at and said.get("grant") in (None, grant):
                return message.offset() or 0, str(said.get("reason"))
    return None


def states(settings: Settings, epochs: Collection[int]) -> dict[int, PolicyState]:
    """The policy as it was at each of some epochs, and at the end of the log (-1), from one reading of it."""
    wanted, kept = set(epochs), dict[int, PolicyState]()

    def fold(state: PolicyState, offset: int, _at_ms: int, value: bytes | None) -> PolicyState:
        after = state.after(offset, decode(value, offset))
        if offset in wanted:
            kept[offset] = after
        return after

    with LogReader(settings, POLICY_TOPIC, PolicyState(), fold) as reader:
        now = reader.read_to_end()
    return kept | {-1: now}
