"""A batch's records as Arrow columns, for who can use them; Python objects are made only for who asks for these.

One object for each event costs more than a database takes to store it. So counting, timing and sinks that write columns ask
here; everything else sees a sequence of events and tombstones as ever.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from consumers.columns import milliseconds, values
from consumers.events import Batch, Place, Tombstone, ViewEvent
from consumers.view import View
from schemas.change_event import Op

_OPS = {op.value: op for op in Op}
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - instants of the codecs have no zone
_FIRST, _LAST = (dt.date.min - _EPOCH.date()).days, (dt.date.max - _EPOCH.date()).days
_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class ColumnRecords(Sequence[ViewEvent | Tombstone]):
    """Consecutive records: `events` holds the view events, in order; `tombstones` the others, by place in the sequence.

    `partitions` and `offsets` are of all records.
    """

    def __init__(
        self,
        events: pa.RecordBatch,
        partitions: npt.NDArray[np.int32],
        offsets: npt.NDArray[np.int64],
        tombstones: Mapping[int, Tombstone],
    ) -> None:
        self.events, self.partitions, self.offsets, self.tombstones = events, partitions, offsets, tombstones
        self._made: list[ViewEvent | Tombstone] | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> ViewEvent | Tombstone: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ViewEvent | Tombstone]: ...
    def __getitem__(self, index: int | slice) -> ViewEvent | Tombstone | Sequence[ViewEvent | Tombstone]:
        return self.objects[index]

    def __iter__(self) -> Iterator[ViewEvent | Tombstone]:
        return iter(self.objects)  # the one a sequence has asks for each by its number

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, ColumnRecords) else other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def objects(self) -> list[ViewEvent | Tombstone]:
        """The records as Python objects."""
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def is_event(self) -> npt.NDArray[np.bool_]:
        """Of each record, whether it is a view event."""
        out = np.ones(len(self), np.bool_)
        out[list(self.tombstones)] = False
        return out

    def _make(self) -> list[ViewEvent | Tombstone]:
        columns = {n: values(self.events.column(n)) for n in self.events.schema.names if n != "released_at"}
        released = milliseconds(self.events.column("released_at"))
        before = columns.get("before") or [None] * len(released)
        events = zip(columns["op"], released, columns["key"], before, columns["after"], strict=True)
        out: list[ViewEvent | Tombstone] = []
        for n, place in enumerate(zip(self.partitions.tolist(), self.offsets.tolist(), strict=True)):
            if n in self.tombstones:
                out.append(self.tombstones[n])
            else:
                op, at, key, was, now = next(events)
                out.append(ViewEvent(_OPS[op], at, key, was, now, Place(*place)))
        return out


@dataclass(frozen=True, slots=True)
class LatestColumns:
    """What a batch comes to, one row per key, as columns in the order of the view's: rows to write, keys to delete."""

    rows: list[Any]
    gone: list[list[Any]]
    """Of each key to be deleted, its parts in the order of the view's key columns."""

    @property
    def count(self) -> int:
        """Rows to write."""
        return len(self.rows[0])


def latest_columns(view: View, batch: Batch) -> LatestColumns | None:
    """The batch as columns. None where it has none, or where a key has a null in it: then `Batch.latest` says more."""
    records = batch.records
    if not isinstance(records, ColumnRecords):
        return None
    key: Any = records.events.column("key")
    after: Any = records.events.column("after")
    op: Any = records.events.column("op")
    parts = [key.field(c.field) for c in view.key]
    if any(p.null_count for p in parts):
        return None
    last = np.fromiter(_last_of_each(records, [values(p) for p in parts]), np.int64)
    of_event = np.cumsum(records.is_event) - 1  # where each record stands among the events
    stays = np.zeros(len(records), np.bool_)
    held: Any = pc.and_(after.is_valid(), pc.not_equal(op, pa.scalar(Op.DELETE.value)))
    stays[records.is_event] = held.to_numpy(zero_copy_only=False)
    columns = [*parts, *(after.field(c.field) for c in view.columns[len(parts) :])]
    taken = of_event[last[stays[last]]]
    if len(taken) != len(key):
        columns = [c.take(pa.array(taken)) for c in columns]
    return LatestColumns(columns, [_key_at(records, parts, view, int(n), of_event) for n in last[~stays[last]]])


def by_op(batch: Batch) -> Counter[str]:
    """View events of each operation."""
    records = batch.records
    if not isinstance(records, ColumnRecords):
        return Counter(e.op.value for e in batch.events)
    counts: Any = pc.value_counts(records.events.column("op"))
    found: list[dict[str, Any]] = counts.to_pylist()
    return Counter({str(f["values"]): int(f["counts"]) for f in found})


def released_at(batch: Batch) -> npt.NDArray[np.int64]:
    """When each view event was released, in order."""
    records = batch.records
    if not isinstance(records, ColumnRecords):
        return np.fromiter((e.released_at for e in batch.events), np.int64)
    times: npt.NDArray[np.int64] = (
        records.events.column("released_at").cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy()
    )
    return times


def events_by_partition(records: Sequence[ViewEvent | Tombstone]) -> Counter[int]:
    """View events of each partition."""
    if not isinstance(records, ColumnRecords):
        return Counter(r.place.partition for r in records if isinstance(r, ViewEvent))
    found = np.unique_counts(records.partitions[records.is_event])
    return Counter(dict(zip(found.values.tolist(), found.counts.tolist(), strict=True)))


def below(batch: Batch, positions: Mapping[int, int]) -> int:
    """Records that stand below the positions given."""
    records = batch.records
    if not isinstance(records, ColumnRecords):
        return sum(1 for r in records if r.place.offset < positions[r.place.partition])
    return sum(
        int(np.count_nonzero(records.offsets[records.partitions == p] < positions[p]))
        for p in np.unique(records.partitions).tolist()
    )


def check_times(column: Any) -> None:
    """ValueError if a date or instant in a column, or under it, is none that Python can hold."""
    kind = column.type
    if pa.types.is_struct(kind):
        for member in column.flatten():
            check_times(member)
    elif pa.types.is_date32(kind):
        _check_within(column.cast(pa.int32()), _FIRST, _LAST)
    elif pa.types.is_timestamp(kind):
        ticks = _TICKS[kind.unit] * 86_400
        _check_within(column.cast(pa.int64()), _FIRST * ticks, (_LAST + 1) * ticks - 1)
    elif pa.types.is_nested(kind):
        values(column)  # rare, and the conversion itself tells


def _check_within(numbers: Any, least: int, most: int) -> None:
    found: Any = pc.min_max(numbers).as_py()
    if found["min"] is not None and not least <= found["min"] <= found["max"] <= most:
        raise ValueError("a date or time no Python value can hold")


def _last_of_each(records: ColumnRecords, parts: list[list[Any]]) -> list[int]:
    """Of each key, where its last record stands."""
    keys: list[Any] = parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))
    if records.tombstones:
        own, in_order = iter(keys), []
        of_tombstone: Callable[[Tombstone], Any] = (
            (lambda t: next(iter(t.key.values()))) if len(parts) == 1 else (lambda t: tuple(t.key.values()))
        )
        for n in range(len(records)):
            tombstone = records.tombstones.get(n)
            in_order.append(next(own) if tombstone is None else of_tombstone(tombstone))
        keys = in_order
    return list(dict(zip(keys, range(len(keys)), strict=True)).values())


def _key_at(records: ColumnRecords, parts: list[Any], view: View, n: int, of_event: npt.NDArray[np.int64]) -> list[Any]:
    tombstone = records.tombstones.get(n)
    if tombstone is not None:
        return [tombstone.key[c.field] for c in view.key]
    return [p[int(of_event[n])].as_py() for p in parts]
