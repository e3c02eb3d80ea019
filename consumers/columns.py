"""Arrow columns of view events -> Python values, a column at a time: a third of the cost of asking row by row.

The values are those of `schemas.codec.rows`; a test holds the two equal.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def values(column: Any) -> list[Any]:
    """The values of one column."""
    kind = column.type
    if pa.types.is_struct(kind):
        return _records(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return found
    return list(column.to_pylist(maps_as_pydicts="strict"))


def _records(column: Any) -> list[Any]:
    names = [f.name for f in column.type]
    members = [values(m) for m in column.flatten()]
    records: list[Any] = [dict(zip(names, row, strict=True)) for row in zip(*members, strict=True)]
    if column.null_count == 0:
        return records
    return [r if there else None for r, there in zip(records, column.is_valid().to_pylist(), strict=True)]


def milliseconds(column: Any) -> list[int]:
    """Instants as milliseconds since 1970 UTC."""
    found: list[int] = column.cast(pa.timestamp("ms")).cast(pa.int64()).to_pylist()
    return found
