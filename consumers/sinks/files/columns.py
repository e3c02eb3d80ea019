"""Columns of a file, from Python values, or at a tenth of the cost from the columns in which the events were decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from consumers.column_records import ColumnRecords
from consumers.columns import values
from consumers.events import Batch
from consumers.values import json_text
from consumers.view import Column, Kind
from schemas.change_event import Op

UNFIT = (ValueError, TypeError, ArithmeticError)
"""What Arrow raises for a value that its column cannot hold; its own errors are subclasses of the first two."""
RELEASED_AT = pa.timestamp("ms", tz="UTC")


def of_values(kind: Kind, of: pa.DataType, found: list[Any]) -> pa.Array[Any]:
    """Python values as a column. `UNFIT` if one cannot be held."""
    if kind == "json":
        found = [None if v is None else json_text(v) for v in found]
    try:
        return pa.array(found, of)
    except pa.ArrowTypeError:
        if of != pa.string():
            raise
        return pa.array([None if v is None else str(v) for v in found], of)  # a UUID, or a decimal too long for Arrow


def of_batch(batch: Batch, columns: Sequence[tuple[Column, pa.DataType]]) -> tuple[list[Any], int] | None:
    """Operation, time, partition, offset and the released columns of a batch, and how many are deletes. None for what only
    row by row is right: events without columns, a tombstone that is no mere repeat of the delete before it, a null in a key.
    """
    records = batch.records
    if not isinstance(records, ColumnRecords) or not _repeated(records):
        return None
    events: Any = records.events
    key, after = _members(events.column("key")), _members(events.column("after"))
    op, gone = _ops(events)
    if pc.any(pc.and_(gone, events.column("after").is_valid())).as_py():
        return None  # a delete is written with its key alone
    its = records.is_event
    made = [
        op,
        events.column("released_at").cast(pa.timestamp("ms")).cast(RELEASED_AT),
        pa.array(records.partitions[its], pa.int32()),
        pa.array(records.offsets[its], pa.int64()),
    ]
    try:
        for column, of in columns:
            made.append(_of_column(column.kind, of, (key if column.key else after)[column.field]))
            if column.key and made[-1].null_count:
                return None
    except (KeyError, *UNFIT):
        return None  # row by row it shows where
    return made, int(pc.sum(gone).as_py() or 0)


def _of_column(kind: Kind, of: pa.DataType, column: Any) -> Any:
    if kind != "json":
        if column.type == of:
            return column
        if pa.types.is_floating(of) or (pa.types.is_timestamp(of) and pa.types.is_timestamp(column.type)):
            return column.cast(of)
    return of_values(kind, of, values(column))


def _ops(events: Any) -> tuple[Any, Any]:
    """The operation of each event, and whether it is a delete."""
    op: Any = events.column("op").cast(pa.string())
    return op, pc.equal(op, pa.scalar(Op.DELETE.value))


def _members(column: Any) -> dict[str, Any]:
    """The members of a record by name, null where it is null."""
    return dict(zip([f.name for f in column.type], column.flatten(), strict=True))


def _repeated(records: ColumnRecords) -> bool:
    """Whether every tombstone stands at once behind the delete of its key."""
    if not records.tombstones:
        return True
    places = sorted(records.tombstones)
    of_event = [place - n - 1 for n, place in enumerate(places)]  # of the record before it, if that is an event
    if of_event[0] < 0 or any(place - 1 in records.tombstones for place in places):
        return False
    before: Any = records.events.take(pa.array(of_event))
    deletes: bool = pc.all(_ops(before)[1]).as_py()
    return deletes and values(before.column("key")) == [records.tombstones[place].key for place in places]
