"""What a subscriber reads: view events with their place in the grant's topic, in batches with the positions they end at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.change_event import Op

Row = Mapping[str, Any]


class Place(NamedTuple):
    """Where an event stands in the grant's topic: its only identity."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class ViewEvent:
    """One change of one released row. `released_at` is milliseconds since 1970 UTC, no finer than the grant says."""

    op: Op
    released_at: int
    key: Row
    before: Row | None
    after: Row | None
    place: Place


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The null record that follows a delete. Compaction may have removed the delete itself, so it is one too."""

    key: Row
    place: Place


class Step(NamedTuple):
    """How far a batch brings one partition: from the position the sink holds to the one it will hold."""

    expected: int
    next: int
    events: int
    """View events among the records between the two; the rest are tombstones and transaction markers."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch comes to for one key: the row as it is now, or None if it is gone."""

    key: Row
    row: Row | None
    place: Place


class Unread(NamedTuple):
    """An event that could not be read and that somebody said to skip: where it stands, and why."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of a grant's topic, in order per partition.

    unreadable  events skipped on order; a sink that keeps pointers to what it rejected keeps these with them. For each there is a
                tombstone among the records, because the row under its key is not true any more
    """

    records: Sequence[ViewEvent | Tombstone]
    steps: Mapping[int, Step]
    oldest_ms: int | None = None
    """When its first record was written to the topic, milliseconds since 1970 UTC; None without records."""
    unreadable: Sequence[Unread] = ()

    @property
    def events(self) -> list[ViewEvent]:
        """The view events, without tombstones."""
        return [r for r in self.records if isinstance(r, ViewEvent)]

    def latest(self) -> list[Change]:
        """One change per key, the last one of each: what a table needs."""
        last: dict[tuple[Any, ...], Change] = {}
        for record in self.records:
            row = None if isinstance(record, Tombstone) or record.op is Op.DELETE else record.after
            last[tuple(record.key.values())] = Change(record.key, row, record.place)
        return list(last.values())
