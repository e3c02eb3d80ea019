"""Dates, times and instants that exist in Python: years 1 to 9999, a day of 24 hours.

Avro and Arrow hold larger numbers; the first consumer to make a date of one would fall over, so they are malformed.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.codec.avro_tree import option

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY_MS = 86_400_000
_INSTANT_MS = (_FIRST_DAY * _DAY_MS, (_LAST_DAY + 1) * _DAY_MS - 1)
_INSTANT_US = (_FIRST_DAY * _DAY_MS * 1000, (_LAST_DAY + 1) * _DAY_MS * 1000 - 1)
_RANGES = {
    ("int", "date"): (_FIRST_DAY, _LAST_DAY),
    ("int", "time-millis"): (0, _DAY_MS - 1),
    ("long", "time-micros"): (0, _DAY_MS * 1000 - 1),
    ("long", "timestamp-millis"): _INSTANT_MS,
    ("long", "timestamp-micros"): _INSTANT_US,
    ("long", "local-timestamp-millis"): _INSTANT_MS,
    ("long", "local-timestamp-micros"): _INSTANT_US,
}

Path = tuple[int, ...]
"""Positions of fields, from the batch down."""


def range_of(tree: Any) -> tuple[int, int] | None:
    """Least and greatest raw number of a date, time or instant type; None for any other."""
    return _RANGES.get((tree["type"], tree.get("logicalType", ""))) if isinstance(tree, dict) else None


def ranged_paths(tree: Any, at: Path = ()) -> list[tuple[Path, tuple[int, int]]]:
    """Where in an (expanded) record without arrays and maps there are dates, times and instants."""
    inner = option(tree)
    if inner is not None:
        return ranged_paths(inner, at)
    if isinstance(tree, list):
        return [found for i, branch in enumerate(tree) for found in ranged_paths(branch, (*at, i))]
    if isinstance(tree, dict) and tree["type"] == "record":
        return [found for i, f in enumerate(tree["fields"]) for found in ranged_paths(f["type"], (*at, i))]
    limits = range_of(tree)
    return [(at, limits)] if limits else []


def within(batch: pa.RecordBatch, paths: list[tuple[Path, tuple[int, int]]]) -> bool:
    """Whether every number at these places lies in its range."""
    for path, (low, high) in paths:
        array: Any = batch.column(path[0])
        for i in path[1:]:
            array = array.field(i)
        ends: Any = pc.min_max(array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())).as_py()
        if ends["min"] is not None and (ends["min"] < low or ends["max"] > high):
            return False
    return True
