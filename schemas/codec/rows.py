"""The row codec: fastavro, one value at a time, for schemas that hold a type native code does not know.

It reads and writes the same bytes and lays batches out the same way as the columnar codec. Logical types are taken off
the schema fastavro sees, so that values pass as plain numbers and bytes and Arrow alone gives them their meaning; the
branches of a wide union are wrapped in records, which adds no byte and tells which branch was meant.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from schemas.codec.arrow_types import arrow_schema
from schemas.codec.avro_tree import expand
from schemas.codec.columns import check_layout, empty_batch, null_refused
from schemas.codec.frame import HEADER_BYTES, header, schema_ids
from schemas.codec.model import MAX_VALUE_BYTES, BadValue, Decoded, Reason
from schemas.codec.nulls import misplaced_null
from schemas.codec.row_arrays import from_values, to_values
from schemas.codec.row_schema import plain_schema
from schemas.codec.walk import walker
from schemas.errors import PermanentError
from schemas.text import Text


class RowCodec:
    """See `Codec`. Build it with `codec_for`."""

    kind: Literal["rows"] = "rows"

    def __init__(self, schema: dict[str, Any], schema_id: int) -> None:
        self.schema = schema
        self.schema_id = schema_id
        self.arrow = arrow_schema(schema)
        self._tree = expand(schema)
        self._walk = walker(self._tree)
        self._head = header(schema_id)
        self._plain: Any = parse_schema(plain_schema(self._tree), _force=True)

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """See `Codec`."""
        rows: list[int] = []
        found: list[Any] = []
        bad: list[BadValue] = []
        for i, (written, value) in enumerate(zip(schema_ids(values).tolist(), values, strict=True)):
            reason = self._reason(written, value)
            if reason is None:
                stream = io.BytesIO(value)
                stream.seek(HEADER_BYTES)
                found.append(schemaless_reader(stream, self._plain, None, return_record_name=True))
                rows.append(i)
            else:
                bad.append(BadValue(i, reason))
        return Decoded(self._batch(found), np.array(rows, np.int32), bad)

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """See `Codec`."""
        check_layout(batch, self.arrow)
        path = misplaced_null(batch, self._tree)
        if path is not None:
            raise null_refused(path)
        columns = [
            to_values(column, field["type"], plain["type"])
            for column, field, plain in zip(batch.columns, self._tree["fields"], self._plain["fields"], strict=True)
        ]
        names = self.arrow.names
        return [self._written(dict(zip(names, row, strict=True))) for row in _rows(columns, len(batch))]

    def _reason(self, written: int, value: bytes) -> Reason | None:
        if written < 0:
            return Reason.NOT_FRAMED
        if written != self.schema_id:
            return Reason.UNKNOWN_SCHEMA
        return Reason.TOO_LARGE if len(value) > MAX_VALUE_BYTES else self._walk(value, HEADER_BYTES)

    def _batch(self, found: list[Any]) -> pa.RecordBatch:
        if not found:
            return empty_batch(self.arrow)
        columns = [
            from_values([row[f["name"]] for row in found], f["type"], layout.type)
            for f, layout in zip(self._tree["fields"], self.arrow, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.arrow)

    def _written(self, row: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        out.write(self._head)
        try:
            schemaless_writer(out, self._plain, row)
        except (ValueError, TypeError, KeyError, OverflowError):
            # fastavro's message holds the value, so it goes no further
            raise PermanentError(Text("a value does not fit the schema.", "值不符合模式。")) from None
        return out.getvalue()


def _rows(columns: list[list[Any]], count: int) -> Any:
    return zip(*columns, strict=True) if columns else ([] for _ in range(count))
