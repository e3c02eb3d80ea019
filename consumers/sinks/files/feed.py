"""A grant's changes as columns: what happened to a row, when, where in the topic, and the released fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa

from consumers.events import Batch, Tombstone, ViewEvent
from consumers.sinks.files.columns import RELEASED_AT, UNFIT, of_batch, of_values
from consumers.view import Column, Kind, View
from schemas.change_event import Op
from schemas.errors import PermanentError
from schemas.text import Text

_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "local": pa.timestamp("us"),
    "bytes": pa.binary(),
    "json": pa.string(),
}
_MOST_DIGITS = 38
"""Of a decimal that DuckDB and Spark read; longer ones are exact text."""


class FeedNames(NamedTuple):
    """The columns in front of the released ones."""

    op: str = "op"
    released_at: str = "released_at"
    partition: str = "partition"
    offset: str = "offset"


def feed_names(view: View) -> FeedNames:
    """`_op`, `_released_at`, `_partition`, `_offset`; with more `_` in front where a released column is called so."""
    taken, prefix = {c.name.lower() for c in view.columns}, "_"
    while any(prefix + name in taken for name in FeedNames()):
        prefix += "_"
    return FeedNames(*(prefix + name for name in FeedNames()))


class Feed:
    """Makes the rows of batches of one view. `schema` carries what files tell of themselves: titles, grant and topic."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.names = feed_names(view)
        types: list[pa.DataType] = [pa.string(), RELEASED_AT, pa.int32(), pa.int64()]
        own = [
            _field(name, of, kind)
            for name, of, kind in zip(self.names, types, ("text", "timestamp", "int", "long"), strict=True)
        ]
        self.schema = pa.schema([*own, *[_of(c) for c in view.columns]], metadata=_about(view))
        self._columns = list(zip(view.columns, [f.type for f in self.schema][len(own) :], strict=True))
        self._gone = dict.fromkeys(c.field for c in view.columns)

    def rows(self, batch: Batch) -> tuple[pa.RecordBatch, int]:
        """The batch's changes in order, and how many of them are deletes. PermanentError, with the place, for a null key or a
        value its column cannot hold.

        A delete has its key alone. A tombstone is a delete without a time, unless the delete itself stands in the batch.
        """
        by_columns = of_batch(batch, self._columns)
        if by_columns is not None:
            return pa.record_batch(by_columns[0], schema=self.schema), by_columns[1]
        records = _without_repeats(batch)
        ops = [Op.DELETE if isinstance(r, Tombstone) else r.op for r in records]
        keys = [r.key for r in records]
        rows = [self._gone if o is Op.DELETE else r.after for r, o in zip(records, ops, strict=True)]  # type: ignore[union-attr]
        times = [None if isinstance(r, Tombstone) else r.released_at for r in records]
        made = [
            pa.array(ops, pa.string()),
            pa.array(times, RELEASED_AT),
            pa.array([r.place.partition for r in records], pa.int32()),
            pa.array([r.place.offset for r in records], pa.int64()),
        ]
        for column, of in self._columns:
            values = _of_field(column.field, keys if column.key else rows)
            made.append(self._column(column, of, values, records))
        return pa.record_batch(made, schema=self.schema), ops.count(Op.DELETE)

    def _column(self, column: Column, of: pa.DataType, values: list[Any], records: Sequence[Any]) -> pa.Array[Any]:
        try:
            made = of_values(column.kind, of, values)
        except UNFIT:
            raise self._unfit(column, of, values, records) from None
        if column.key and made.null_count:
            raise PermanentError(
                Text("the key of a view event is null.", "视图事件的主键为空。"),
                where=self._where(records[values.index(None)]),
            )
        return made

    def _unfit(self, column: Column, of: pa.DataType, values: list[Any], records: Sequence[Any]) -> PermanentError:
        place = next((r for v, r in zip(values, records, strict=True) if not _fits(column.kind, of, v)), records[0])
        return PermanentError(
            Text(
                f"a value does not fit its column {column.name} ({of}).",
                f"字段 {column.name} 的值与其类型({of})不符。",
            ),
            where=self._where(place),
        )

    def _where(self, record: ViewEvent | Tombstone) -> str:
        return f"{self._view.origin.topic}[{record.place.partition}]@{record.place.offset}"


def _without_repeats(batch: Batch) -> Sequence[ViewEvent | Tombstone]:
    """The records without the tombstones whose delete stands before them."""
    if sum(step.events for step in batch.steps.values()) == len(batch.records):
        return batch.records
    deleted: set[tuple[Any, ...]] = set()
    kept: list[ViewEvent | Tombstone] = []
    for record in batch.records:
        key = tuple(record.key.values())
        if isinstance(record, Tombstone) and key in deleted:
            continue
        kept.append(record)
        if isinstance(record, ViewEvent):
            (deleted.add if record.op is Op.DELETE else deleted.discard)(key)
    return kept


def _of_field(field: str, rows: Sequence[Any]) -> list[Any]:
    """The field of each row, a third as dear as asking row by row; null where a row does not have it."""
    try:
        return list(map(itemgetter(field), rows))
    except (KeyError, TypeError):
        return [None if row is None else row.get(field) for row in rows]


def _fits(kind: Kind, of: pa.DataType, value: Any) -> bool:
    try:
        of_values(kind, of, [value])
    except UNFIT:
        return False
    return True


def _of(column: Column) -> pa.Field[Any]:
    if column.kind != "decimal":
        return _field(column.name, _TYPES[column.kind], column.kind, title=column.title, key=column.key)
    fits = 0 < column.precision <= _MOST_DIGITS
    of = pa.decimal128(column.precision, column.scale) if fits else pa.string()
    return _field(column.name, of, "decimal" if fits else "text", title=column.title, key=column.key)


def _field(name: str, of: pa.DataType, kind: str, *, title: str = "", key: bool = False) -> pa.Field[Any]:
    about = {"kind": kind, **({"title": title} if title else {}), **({"key": "true"} if key else {})}
    return pa.field(name, of, nullable=not key, metadata=about)


def _about(view: View) -> dict[str | bytes, str | bytes]:
    titles = {c.name: c.title for c in view.columns if c.title}
    return {
        "grant": view.grant,
        "topic": view.origin.topic,
        "generation": str(view.origin.generation),
        "title": view.title,
        "titles": json.dumps(titles, ensure_ascii=False),
    }
