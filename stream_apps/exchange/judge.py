"""One slice of a partition, judged: what each grant receives, what becomes a dead letter. Nothing is written here.

A fault (a value that does not decode, a row a view cannot be computed of, an event too large for its topic) never holds
its neighbours up: its row is deleted where it may have been delivered before, and the key's next event is not suppressed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

from schemas.codec import ChangeDecoder, Decoded
from schemas.errors import PermanentError
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.outbox import Entry
from stream_apps.exchange.views import Lane, Rules
from stream_apps.policy import Outcome, delete_for_keys, evaluate

MAX_EVENT_BYTES = (8 << 20) - 4096
"""Key and value of an event, with room for what Kafka adds to the largest message it takes."""
KILLS_WORKER = "kills_worker"
"""Why a record is a fault that was not looked at: the process that judges it dies."""
_MANY_PASSES = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that could not be processed: its position in the slice, why, and for which grant (None: for all)."""

    record: int
    reason: str
    grant: str | None = None


@dataclass(slots=True)
class Judged:
    """What comes of a slice. `written` and `outcomes` are by grant id; `published` in milliseconds since 1970 UTC."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    """By topic."""
    faults: list[Fault] = field(default_factory=list)
    gaps: frozenset[str] = frozenset()
    records: int = 0
    tombstones: int = 0
    bytes_in: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    written: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Events and bytes."""
    broken: list[Lane] = field(default_factory=list)
    """Grants whose own output could not be encoded: a fault of ours. They got nothing of this slice."""
    published: npt.NDArray[np.int64] = field(default_factory=lambda: np.array([], np.int64))

    @property
    def faulty(self) -> int:
        """Records with at least one fault."""
        return len({f.record for f in self.faults})


@dataclass(frozen=True, slots=True)
class Apart:
    """How records that may kill this process are judged: each by itself, with the same result. `at` is told a record's
    position before anything is done with it, again and again. Of `killers` nothing but the Kafka key is touched, and of
    `unkeyed`, a part of them, not even that: a key that kills was never released, so no row waits for its delete."""

    at: Callable[[int], None]
    killers: frozenset[int] = frozenset()
    unkeyed: frozenset[int] = frozenset()


def judge(
    messages: Sequence[Message],
    rules: Rules,
    lanes: Sequence[Lane],
    watch: GapWatch,
    at_ms: int,
    *,
    history: bool = False,
    apart: Apart | None = None,
) -> Judged:
    """The records of one slice under `lanes`, at one moment. `history`: nothing is known to have been delivered. `apart`:
    judge each record by itself.

    Raises TransientError if the registry is needed and out of reach.
    """
    values = [m.value() for m in messages]
    out = Judged(records=len(values), tombstones=values.count(None), bytes_in=sum(map(len, messages)))
    out.gaps = watch.after(())
    if not lanes or rules.decoder is None or out.tombstones == len(values):
        return out
    filled = [i for i, v in enumerate(values) if v is not None]
    groups = [filled] if apart is None else [[one] for one in filled]
    parts = [_decoded(rules.decoder, values, group, watch, at_ms, history, apart) for group in groups]
    out.published = np.concatenate([_milliseconds(part.decoded) for part in parts])
    _settle(parts, lanes, apart, out)
    return out


@dataclass(slots=True)
class _Part:
    """Records judged together: those of a slice, or one of them."""

    first: int
    decoded: Decoded
    records: npt.NDArray[np.int32]
    watch: GapWatch
    at_ms: int
    history: bool
    bad: list[Fault]

    def known(self, faulty: set[int]) -> npt.NDArray[np.bool_] | None:
        return np.zeros(len(self.records), bool) if self.history else self.watch.known(self.records, faulty)


def _decoded(
    decoder: ChangeDecoder,
    values: Sequence[Any],
    group: Sequence[int],
    watch: GapWatch,
    at_ms: int,
    history: bool,
    apart: Apart | None,
) -> _Part:
    """The records at some positions, decoded; a killer is not."""
    first = group[0]
    if apart is not None:
        apart.at(first)
        if first in apart.killers:
            nothing = decoder.decode([])
            return _Part(first, nothing, nothing.rows, watch, at_ms, history, [Fault(first, KILLS_WORKER)])
    decoded = decoder.decode([values[i] for i in group])
    filled = np.array(group, np.int32)
    bad = [Fault(int(filled[b.position]), b.reason.value) for b in decoded.bad]
    return _Part(first, decoded, filled[decoded.rows], watch, at_ms, history, bad)


def _settle(parts: Sequence[_Part], lanes: Sequence[Lane], apart: Apart | None, out: Judged) -> None:
    """Judge again while new faults come up: the neighbours of a fault under its key must not be suppressed."""
    watch, bad = parts[0].watch, [f for part in parts for f in part.bad]
    faulty = {f.record for f in bad}
    broken: set[tuple[Any, ...]] = set()
    for _ in range(_MANY_PASSES):
        known = [part.known(faulty) for part in parts]
        made: dict[tuple[Any, ...], _Made] = {}
        for lane in lanes:
            same = _same(parts[0], lane)
            if same not in made and same not in broken:
                try:
                    made[same] = _joined([_make(*one, lane, apart) for one in zip(parts, known, strict=True)])
                except PermanentError:
                    broken.add(same)
        found = faulty | {i for m in made.values() for i in m.faults}
        if found == faulty:
            break
        faulty = found
    out.faults = bad
    for lane in lanes:
        same = _same(parts[0], lane)
        if same in broken:
            out.broken.append(lane)
        else:
            _deliver(made[same], lane, out)
    out.gaps = watch.after(faulty)


def _same(part: _Part, lane: Lane) -> tuple[Any, ...]:
    """Equal for grants whose events of this slice are the same."""
    return lane.shared, lane.view.valid.covers(part.at_ms)


@dataclass(slots=True)
class _Made:
    """Events of one view: entries, the codec that made them, and the faults by record."""

    lane: Lane
    entries: list[Entry]
    faults: dict[int, str]
    outcomes: Counter[str]


def _joined(parts: list[_Made]) -> _Made:
    """What was made of parts in their order, as if of all together."""
    if len(parts) == 1:
        return parts[0]
    entries = [entry for part in parts for entry in part.entries]
    faults = {record: why for part in parts for record, why in part.faults.items()}
    return _Made(parts[0].lane, entries, faults, sum((part.outcomes for part in parts), Counter()))


def _make(part: _Part, known: npt.NDArray[np.bool_] | None, lane: Lane, apart: Apart | None) -> _Made:
    if apart is not None:
        apart.at(part.first)
    released = evaluate(lane.view, part.decoded.batch, keys=lane.keys, at_ms=part.at_ms, known=known)
    keys, values = released.kafka_keys.to_pylist(), lane.codec.encode(released.events)
    failed = {int(part.records[row]): why.value for row, why in released.failed}
    large = _too_large(keys, values)
    positions = part.records[released.source]
    lost = sorted({f.record for f in part.bad} | {int(positions[i]) for i in large})
    outcomes = Counter({Outcome(i).word: int(n) for i, n in enumerate(np.bincount(released.outcome)) if n})
    if not lost:
        return _Made(lane, _with_tombstones(keys, values, released.deletes), failed, outcomes)
    pieces = [
        (int(position), {"key": k, "value": v}, bool(d))
        for i, (position, k, v, d) in enumerate(zip(positions.tolist(), keys, values, released.deletes, strict=True))
        if i not in large
    ]
    pieces += _deletes(part, lane, [i for i in lost if apart is None or i not in apart.unkeyed])
    pieces.sort(key=lambda piece: piece[0])
    entries: list[Entry] = []
    for _, entry, is_delete in pieces:
        entries.append(entry)
        if is_delete:
            entries.append({"key": entry["key"], "value": None})
    return _Made(lane, entries, failed | {int(positions[i]): "too_large" for i in large}, outcomes)


def _deletes(part: _Part, lane: Lane, lost: Sequence[int]) -> list[tuple[int, Entry, bool]]:
    """Deletes of the rows whose events are lost, from their raw keys alone. A Kafka key that is no key of the resource was
    never any row's, so nothing of it was delivered."""
    out: list[tuple[int, Entry, bool]] = []
    for record in lost:
        try:
            text = part.watch.keys[record].decode()
            released = delete_for_keys(lane.view, [text], keys=lane.keys, at_ms=part.at_ms)
        except ValueError:
            continue
        keys, values = released.kafka_keys.to_pylist(), lane.codec.encode(released.events)
        if not _too_large(keys, values):
            out += [(record, {"key": k, "value": v}, True) for k, v in zip(keys, values, strict=True)]
    return out


def _with_tombstones(keys: list[bytes], values: list[bytes], deletes: npt.NDArray[np.bool_]) -> list[Entry]:
    entries = [{"key": k, "value": v} for k, v in zip(keys, values, strict=True)]
    if not deletes.any():
        return entries
    out: list[Entry] = []
    for entry, is_delete in zip(entries, deletes.tolist(), strict=True):
        out.append(entry)
        if is_delete:
            out.append({"key": entry["key"], "value": None})
    return out


def _deliver(made: _Made, lane: Lane, out: Judged) -> None:
    entries = made.entries
    if lane is not made.lane:
        entries = _renumbered(entries, lane.grant.schema_id)
    grant = lane.grant.grant.id
    out.outcomes[grant] = made.outcomes
    out.faults += [Fault(record, reason, grant) for record, reason in made.faults.items()]
    if entries:
        out.entries[lane.grant.topic] = entries
        events = sum(e["value"] is not None for e in entries)
        out.written[grant] = events, sum(len(e["value"] or b"") + len(e["key"]) for e in entries)


def _renumbered(entries: list[Entry], schema_id: int) -> list[Entry]:
    """The same events under another schema id (each grant's schema has an id of its own)."""
    head = b"\x00" + schema_id.to_bytes(4, "big")
    return [{"key": e["key"], "value": e["value"] and head + e["value"][5:]} for e in entries]


def _too_large(keys: Sequence[bytes], values: Sequence[bytes]) -> set[int]:
    if not values or max(map(len, values)) + max(map(len, keys)) <= MAX_EVENT_BYTES:
        return set()
    return {i for i, (k, v) in enumerate(zip(keys, values, strict=True)) if len(k) + len(v) > MAX_EVENT_BYTES}


def _milliseconds(decoded: Decoded) -> npt.NDArray[np.int64]:
    column: Any = decoded.batch.column("published_at")
    return np.asarray(column.cast("int64"), dtype=np.int64)
