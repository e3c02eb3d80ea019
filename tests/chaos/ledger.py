"""Every record counted: what was published, what had to come of it, and what is there. See README.md for the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.model import (
    CORRUPT,
    Change,
    Difference,
    Event,
    Release,
    Row,
    after_corruption,
    by_key,
    difference,
    expected,
    final_rows,
    states,
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic, decoded; `content` None where it is a tombstone or cannot be read."""

    partition: int
    offset: int
    key: str
    content: dict[str, Any] | None
    tombstone: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What a sink holds: its rows by key, and the events it counted itself (`_bus_positions.events`)."""

    rows: Mapping[str, Row]
    events: int


@dataclass(slots=True)
class Line:
    """A line of the ledger: a source topic, a grant's topic, or a sink.

    due        events that had to be there (published by the model, or expected for the grant)
    found      events that are there
    lost, duplicated, out_of_order   see `model.difference`; of a sink: events it counted too few or too many
    wrong_rows of a sink: rows that are not as the model has them
    """

    what: str
    due: int
    found: int
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    wrong_rows: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order or self.wrong_rows)


@dataclass(slots=True)
class Ledger:
    """All lines, and what nobody can explain."""

    lines: list[Line] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.unexplained and all(line.clean for line in self.lines)

    def facts(self) -> dict[str, Any]:
        """For `--json`."""
        return {"clean": self.clean, "lines": [asdict(line) for line in self.lines], "unexplained": self.unexplained}


Sequences = dict[str, list[Change]]
"""Every key's changes, with `CORRUPT` where a record was written that cannot be read."""


def source_line(name: str, changes: Sequence[Change], records: Sequence[Record]) -> tuple[Line, Sequences]:
    """The source topic against the model; and every key's sequence with the corrupt records where they stand."""
    wanted = by_key(changes)
    line = Line(name, len(changes), 0)
    found: dict[str, list[Any]] = {}
    sequences: Sequences = {key: [] for key in wanted}
    for record in records:
        if record.content is None:
            sequences.setdefault(record.key, []).append(CORRUPT)
            continue
        event = record.content
        found.setdefault(record.key, []).append(Event(event["op"], event["after"]))
        own = sequences.setdefault(record.key, [])
        at = sum(change is not CORRUPT for change in own)
        if at < len(wanted.get(record.key, ())):
            own.append(wanted[record.key][at])
        line.found += 1
    total = Difference()
    for key in wanted.keys() | found.keys():
        total += _told(
            line, key, found.get(key, []), [Event(change.op, change.after) for change in wanted.get(key, [])]
        )
    line.lost, line.duplicated, line.out_of_order = total.lost, total.duplicated, total.out_of_order
    return line, sequences


def grant_line(
    name: str, sequences: Sequences, release: Release, records: Sequence[Record], *, retold: bool = False
) -> Line:
    """A grant's topic against what had to come of the source. Of keys with corrupt records, and of all where the history was
    `retold`, the states are compared: how often an unchanged row is told again there depends on how records were batched."""
    found: dict[str, list[Event]] = {}
    for record in records:
        if not record.tombstone:
            content = record.content or {"op": "unreadable", "after": None}
            found.setdefault(record.key, []).append(Event(content["op"], content["after"]))
    line = Line(name, 0, sum(map(len, found.values())))
    total = Difference()
    for key in sequences.keys() | found.keys():
        own, changes = found.get(key, []), sequences.get(key, [])
        if retold or CORRUPT in changes:
            total += _told(line, key, states(own), after_corruption(changes, release))
            line.due += len(own)
        else:
            wanted = expected(changes, release)
            total += _told(line, key, own, wanted)
            line.due += len(wanted)
    line.lost, line.duplicated, line.out_of_order = total.lost, total.duplicated, total.out_of_order
    line.lost += _tombstones_missing(records)
    return line


def _tombstones_missing(records: Sequence[Record]) -> int:
    """Deletes that no tombstone follows."""
    deletes = Counter(r.key for r in records if r.content is not None and r.content["op"] == "d")
    tombstones = Counter(r.key for r in records if r.tombstone)
    return sum((deletes - tombstones).values())


def sink_line(name: str, sequences: Sequences, release: Release, due: int, held: Held) -> Line:
    """A sink against the model's final table, and its own count of events against those released to it."""
    line = Line(name, due, held.events, lost=max(0, due - held.events), duplicated=max(0, held.events - due))
    wanted = final_rows(sequences, release)
    for key in wanted.keys() | held.rows.keys():
        if wanted.get(key) != held.rows.get(key):
            line.wrong_rows += 1
            _example(line, f"{key}: {held.rows.get(key)} instead of {wanted.get(key)}")
    return line


def _told(line: Line, key: str, found: Sequence[Any], wanted: Sequence[Any]) -> Difference:
    wrong = difference(found, wanted)
    if wrong.any:
        at = next(
            (i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted))
        )
        _example(line, f"{key}: from its event {at} on {found[at : at + 3]} instead of {wanted[at : at + 3]}")
    return wrong


def _example(line: Line, text: str) -> None:
    if len(line.examples) < 3:
        line.examples.append(text)
