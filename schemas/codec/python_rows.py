"""A batch as Python rows, for those who take one row at a time (sinks, previews, tests)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows: str, bytes, bool, int, float, `decimal.Decimal`, `datetime.date/time`, `datetime.datetime` without zone
    (UTC for timestamps, wall-clock for local ones), dict for records and maps, list for arrays, None."""
    found: list[dict[str, Any]] = batch.to_pylist(maps_as_pydicts="strict")
    return found
