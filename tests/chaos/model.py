"""What a department's table goes through, and what each subscriber must come to hold of it: plain Python over the generator.

Nothing of the bus is used here. A release is written down by hand beside its grant (`cast.py`), and what must arrive is worked
out from the rows alone, so that an error in policy, exchange or sink shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

Row = dict[str, Any]
Release = Callable[[Row], Row | None]
"""What a subscriber sees of a row; None: nothing, the row is outside its filter."""

DISTRICTS = "abc"
_NAMES = ("张三", "李四光", "欧阳修之", "王", "Zoë", None)


class Change(NamedTuple):
    """One change of one row: operation (c, u, d), the row before, the row after."""

    op: str
    before: Row | None
    after: Row | None

    @property
    def key(self) -> str:
        row = self.after or self.before
        assert row is not None
        return str(row["id"])


class Source:
    """A table of few keys under constant change: created, moved between districts, renamed, deleted, created again.

    Everything follows from `seed`: who reads it again from the beginning sees the same. `version` never repeats within a
    source, and changes with everything but the field `hidden`.
    """

    def __init__(self, seed: str, keys: int = 150) -> None:
        self._dice, self._keys, self._version = Random(seed), keys, 0
        self.rows: dict[str, Row] = {}

    def batch(self, size: int) -> list[Change]:
        """The next changes."""
        return [self._change() for _ in range(size)]

    def _change(self) -> Change:
        key, dice = f"k{self._dice.randrange(self._keys)}", self._dice
        before = self.rows.get(key)
        if before is not None and dice.random() < 0.2:
            del self.rows[key]
            return Change("d", before, None)
        after = self._row(key, before)
        self.rows[key] = after
        return Change("c" if before is None else "u", before, after)

    def _row(self, key: str, before: Row | None) -> Row:
        dice = self._dice
        hidden = f"h{dice.randrange(1_000_000)}"
        if before is not None and dice.random() < 0.15:
            return before | {"hidden": hidden}
        self._version += 1
        return {
            "id": key,
            "district": dice.choice(DISTRICTS),
            "name": dice.choice(_NAMES),
            "version": self._version,
            "hidden": hidden,
        }


def changes_of(seed: str, batches: int, size: int) -> list[Change]:
    """The first batches of a source."""
    source = Source(seed)
    return [change for _ in range(batches) for change in source.batch(size)]


class Event(NamedTuple):
    """A view event as a subscriber gets it: operation, and the released row (None for a delete)."""

    op: str
    row: Row | None


CORRUPT = Change("!", None, None)
"""Stands in a key's sequence where a record that cannot be read was written under that key."""


def by_key(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """The changes of every key, in order."""
    out: dict[str, list[Change]] = {}
    for change in changes:
        out.setdefault(change.key, []).append(change)
    return out


def expected(changes: Sequence[Change], release: Release) -> list[Event]:
    """The events a subscriber must get of one key, in order. Of a corrupt record comes a delete, whether or not the row was
    released before."""
    return list(_released(changes, release))


def _released(changes: Sequence[Change], release: Release) -> Iterator[Event]:
    for change in changes:
        if change is CORRUPT:
            yield Event("d", None)
            continue
        was = None if change.before is None else release(change.before)
        now = None if change.after is None else release(change.after)
        if was != now:
            yield Event("c" if was is None else "d" if now is None else "u", now)


def states(events: Sequence[Event]) -> list[Row | None]:
    """What a subscriber holds of a key over time, as events tell it: repeats folded, and nothing at the beginning."""
    out: list[Row | None] = [None]
    for event in events:
        if event.row != out[-1]:
            out.append(event.row)
    return out


def after_corruption(changes: Sequence[Change], release: Release) -> list[Row | None]:
    """The states of a key with corrupt records in it. Such a record deletes the row; the next change brings it as it is then,
    also where nothing released has changed."""
    out: list[Row | None] = [None]
    for change in changes:
        now = None if change is CORRUPT or change.after is None else release(change.after)
        if now != out[-1]:
            out.append(now)
    return out


def final_rows(changes: Mapping[str, Sequence[Change]], release: Release) -> dict[str, Row]:
    """The rows a subscriber holds in the end, by key."""
    out = {}
    for key, own in changes.items():
        last = after_corruption(own, release)[-1]
        if last is not None:
            out[key] = last
    return out


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong with one sequence against another: events that are missing, too many, and older ones after newer."""

    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.lost + other.lost, self.duplicated + other.duplicated, self.out_of_order + other.out_of_order
        )

    @property
    def any(self) -> bool:
        return self != Difference()


def difference(found: Sequence[Any], wanted: Sequence[Any]) -> Difference:
    """The n-th occurrence of an event in one sequence is the n-th in the other. `duplicated` also counts what was never due;
    `out_of_order` what comes after something that should follow it."""
    if found == wanted:
        return Difference()
    places: dict[str, list[int]] = {}
    for i, event in enumerate(wanted):
        places.setdefault(_told(event), []).append(i)
    matched, duplicated, out_of_order, newest = 0, 0, 0, -1
    for event in found:
        left = places.get(_told(event))
        if not left:
            duplicated += 1
            continue
        place = left.pop(0)
        matched += 1
        out_of_order += place < newest
        newest = max(newest, place)
    return Difference(len(wanted) - matched, duplicated, out_of_order)


def _told(one: Event | Row | None) -> str:
    """The same text for equal events or rows, whatever the order of their fields."""
    op, row = one if isinstance(one, Event) else ("", one)
    return f"{op} {sorted(row.items()) if row is not None else None}"
