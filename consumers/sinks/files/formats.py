"""A table of changes as a Parquet, CSV or JSON Lines file."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from consumers.sinks.files.settings import Format

_quoted = json.encoder.encode_basestring
_ROW_GROUP = 250_000
_LINES = 10_000


def write(kind: Format, table: pa.Table, out: BinaryIO) -> None:
    """Write all rows of a `feed.Feed` table."""
    _WRITERS[kind](table, out)


def _parquet(table: pa.Table, out: BinaryIO) -> None:
    # without dictionaries: half the time, and with zstd smaller files, because keys, times and offsets do not repeat
    pq.write_table(
        table.combine_chunks(),
        out,
        row_group_size=_ROW_GROUP,
        use_dictionary=False,
        compression="zstd",
        compression_level=1,
    )


def _csv(table: pa.Table, out: BinaryIO) -> None:
    """UTF-8 with a header. Text is quoted, so that an empty text ("") is not a null (nothing)."""
    columns = [_text(table.column(i), _kind(f)) for i, f in enumerate(table.schema)]
    pa.csv.write_csv(pa.table(columns, names=table.schema.names), out)


def _jsonl(table: pa.Table, out: BinaryIO) -> None:
    """An object a line. Nested values are JSON values, decimals and times are text, NaN and infinities are named."""
    line = (
        "{" + ",".join(json.dumps(n, ensure_ascii=False).replace("%", "%%") + ":%s" for n in table.schema.names) + "}\n"
    )
    for batch in table.to_batches(max_chunksize=_LINES):
        members = [_json(batch.column(i), _kind(f)) for i, f in enumerate(batch.schema)]
        out.write("".join([line % row for row in zip(*members, strict=True)]).encode())


_WRITERS: dict[Format, Callable[[pa.Table, BinaryIO], None]] = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}


def _text(column: Any, kind: str) -> Any:
    """Instants ISO 8601 in UTC, dates and times ISO 8601, decimals exact, bytes base64; everything else as it is."""
    if kind in ("timestamp", "local"):
        text = pc.replace_substring(
            column.cast(pa.timestamp(column.type.unit)).cast(pa.string()), " ", "T", max_replacements=1
        )
        return pc.binary_join_element_wise(text, "Z", "") if kind == "timestamp" else text
    if kind in ("date", "time"):
        return column.cast(pa.string())
    if kind == "decimal":
        return pa.array([None if v is None else format(v, "f") for v in column.to_pylist()], pa.string())
    if kind == "bytes":
        return pa.array([None if v is None else base64.b64encode(v).decode() for v in column.to_pylist()], pa.string())
    return column


def _json(column: Any, kind: str) -> list[str]:
    """Each value as JSON text."""
    if kind == "text":
        return ["null" if v is None else _quoted(v) for v in column.to_numpy(zero_copy_only=False).tolist()]
    if kind == "double" and not pc.all(pc.is_finite(column), min_count=0).as_py():
        return ["null" if v is None else _number(v) for v in column.to_pylist()]
    if kind in ("int", "long", "double", "boolean", "json"):
        plain = column.cast(pa.string())
    else:
        plain = pc.binary_join_element_wise('"', _text(column, kind), '"', "")
    found: list[str] = pc.fill_null(plain, "null").to_pylist()
    return found


def _number(value: float) -> str:
    return repr(value) if value - value == 0 else f'"{value}"'


def _kind(field: pa.Field[Any]) -> str:
    return (field.metadata or {})[b"kind"].decode()
