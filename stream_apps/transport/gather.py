"""Records of one poll, grouped by partition, and units that grow from them. No Kafka call is made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from confluent_kafka import KafkaError, Message

from schemas.errors import PermanentError
from schemas.text import Text
from stream_apps.transport.unit import Place, Slice, Unit


@dataclass(slots=True)
class _Part:
    messages: list[Message]
    start: int
    end: int


@dataclass(slots=True)
class Gathering:
    """A unit that is still growing."""

    parts: dict[Place, _Part] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0
    group: Any = None

    def add(self, place: Place, messages: Sequence[Message], start: int, end: int) -> None:
        """The records [start, end) of a partition. Raises PermanentError if they do not continue what is there."""
        part = self.parts.get(place)
        _require_order(place, messages, part.end if part else start, start, end)
        if part is None:
            self.parts[place] = _Part(list(messages), start, end)
        else:
            part.messages.extend(messages)
            part.end = end
        self.records += len(messages)
        self.bytes += sum(map(len, messages))

    def remove(self, place: Place) -> int | None:
        """Take a partition out again; where its part started, or None if it had none."""
        part = self.parts.pop(place, None)
        if part is None:
            return None
        self.records -= len(part.messages)
        self.bytes -= sum(map(len, part.messages))
        return part.start

    def unit(self, assignment: int) -> Unit:
        """The unit, finished."""
        slices = tuple(Slice(place, p.messages, p.start, p.end) for place, p in self.parts.items())
        return Unit(slices, self.group, assignment, self.records)


def _require_order(place: Place, messages: Sequence[Message], expected: int, start: int, end: int) -> None:
    first = messages[0].offset() if messages else start
    last = messages[-1].offset() if messages else start - 1
    if first is None or last is None or not (expected == start <= first and last < end):
        raise PermanentError(
            Text(
                f"the consumer returned offsets {first} to {last} where {expected} to {end} was due.",
                f"消费者返回位点 {first} 至 {last}, 应为 {expected} 至 {end}。",
            ),
            where=f"{place.topic}/{place.partition}",
        )


def split(messages: Iterable[Message]) -> tuple[dict[Place, list[Message]], list[KafkaError]]:
    """Records by partition in their order, and the errors that came among them."""
    found = list(messages)
    errors = [error for error in map(Message.error, found) if error is not None]
    if errors:
        found = [m for m in found if m.error() is None]
    by_place: dict[Place, list[Message]] = {}
    keys = zip(map(Message.topic, found), map(Message.partition, found), strict=True)
    for (topic, partition), run in groupby(zip(keys, found, strict=True), key=itemgetter(0)):
        by_place.setdefault(Place(str(topic), int(partition or 0)), []).extend(m for _, m in run)
    return by_place, errors
