"""The columnar codec: pyruhvro (native code) turns a whole sequence of values into Arrow columns and back.

The Confluent header is read and written as two Avro fields in front of the record's own, a boolean (the magic byte) and
a float (the id, compared as raw bits), so nothing is sliced value by value. pyruhvro trusts more than we may: it wraps
numbers that are too large, ignores bytes that follow, and does not look at UTF-8. So every decoded batch is checked and
encoded again, and must give the very bytes it came from; values that do not are walked one by one and judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyruhvro

from schemas.codec.arrow_types import arrow_schema
from schemas.codec.avro_tree import expand
from schemas.codec.frame import HEADER_BYTES, header, schema_ids
from schemas.codec.model import MAX_VALUE_BYTES, BadValue, Decoded, Reason
from schemas.codec.nulls import misplaced_null
from schemas.codec.ranges import ranged_paths, within
from schemas.codec.slices import compact
from schemas.codec.walk import repeats, walker
from schemas.errors import PermanentError
from schemas.text import Text

_CHUNK = 256
"""Values decoded together while the bad ones are being looked for."""


class ColumnCodec:
    """See `Codec`. Build it with `codec_for`, which knows when it may be used."""

    kind: Literal["columns"] = "columns"

    def __init__(self, schema: dict[str, Any], schema_id: int) -> None:
        self.schema = schema
        self.schema_id = schema_id
        self.arrow = arrow_schema(schema)
        self._tree = expand(schema)
        self._walk = walker(self._tree)
        self._repeats = repeats(self._tree)
        self._ranged = [] if self._repeats else ranged_paths(self._tree)
        self._framed = framed_schema(schema)
        head = np.frombuffer(header(schema_id)[1:], "<u4")
        self._id_bits = head[0]
        self._id_float = pa.scalar(head.view("<f4")[0], pa.float32())
        self._magic = pa.scalar(False)

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """See `Codec`."""
        given = values if isinstance(values, list) else list(values)
        if given and not self._repeats:
            batch = self._attempt(given)
            if batch is not None:
                return Decoded(batch, np.arange(len(given), dtype=np.int32), [])
        return self._one_by_one(given)

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """See `Codec`."""
        check_layout(batch, self.arrow)
        found = misplaced_null(batch, self._tree)
        if found is not None:
            raise null_refused(found)
        if not len(batch):
            return []
        try:
            return self._values(self._serialized(self._with_header(compact(batch))))
        except ValueError:
            # pyruhvro's message may hold the value, so it goes no further
            raise PermanentError(Text("a value does not fit the schema.", "值不符合模式。")) from None

    def _attempt(self, values: list[bytes]) -> pa.RecordBatch | None:
        """All values as a batch, or None if any of them is not exactly what this codec would write."""
        if max(map(len, values)) > MAX_VALUE_BYTES:
            return None
        try:
            framed = pyruhvro.deserialize_array(values, self._framed)
            framed.validate(full=True)
            again = self._serialized(framed)
        except (ValueError, pa.ArrowInvalid):
            return None
        if not self._own(framed) or not _same_bytes(again, values):
            return None
        batch = self._headless(framed)
        return batch if within(batch, self._ranged) else None

    def _own(self, framed: pa.RecordBatch) -> bool:
        magic: Any = framed.column(0)
        ids = framed.column(1).to_numpy().view("<u4")
        return bool((ids == self._id_bits).all()) and not magic.true_count

    def _one_by_one(self, values: list[bytes]) -> Decoded:
        """Find the bad values, decode the others together."""
        reasons = self._framing(values)
        rest = [i for i, reason in enumerate(reasons) if reason is None]
        for start in range(0, len(rest), _CHUNK):
            chunk = rest[start : start + _CHUNK]
            if self._repeats or self._attempt([values[i] for i in chunk]) is None:
                for i in chunk:
                    reasons[i] = self._walk(values[i], HEADER_BYTES)
        batch = self._walked(values, reasons)
        rows = np.array([i for i, reason in enumerate(reasons) if reason is None], np.int32)
        return Decoded(batch, rows, [BadValue(i, r) for i, r in enumerate(reasons) if r is not None])

    def _framing(self, values: list[bytes]) -> list[Reason | None]:
        return [
            Reason.NOT_FRAMED
            if i < 0
            else Reason.UNKNOWN_SCHEMA
            if i != self.schema_id
            else Reason.TOO_LARGE
            if len(v) > MAX_VALUE_BYTES
            else None
            for i, v in zip(schema_ids(values).tolist(), values, strict=True)
        ]

    def _walked(self, values: list[bytes], reasons: list[Reason | None]) -> pa.RecordBatch:
        """The values without a reason, as a batch; one the walker passed and native code refuses gets its reason."""
        good = [v for v, reason in zip(values, reasons, strict=True) if reason is None]
        if not good:
            return empty_batch(self.arrow)
        try:
            return self._headless(pyruhvro.deserialize_array(good, self._framed))
        except ValueError:
            for i, value in enumerate(values):
                if reasons[i] is None:
                    try:
                        pyruhvro.deserialize_array([value], self._framed)
                    except ValueError:
                        reasons[i] = Reason.MALFORMED
            return self._walked(values, reasons)

    def _headless(self, framed: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(framed.columns[2:], schema=self.arrow)

    def _with_header(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        count = len(batch)
        heads: list[Any] = [pa.repeat(self._magic, count), pa.repeat(self._id_float, count)]
        return pa.RecordBatch.from_arrays([*heads, *batch.columns], names=[*_HEAD, *self.arrow.names])

    def _serialized(self, framed: pa.RecordBatch) -> Any:
        return pyruhvro.serialize_record_batch(framed, self._framed, 1)[0]

    def _values(self, array: Any) -> list[bytes]:
        offsets = _offsets(array).tolist()
        joined = array.buffers()[2].to_pybytes()
        return [joined[a:b] for a, b in pairwise(offsets)]


_HEAD = ["__magic", "__id"]


def framed_schema(schema: dict[str, Any]) -> str:
    """The schema with the header as its first two fields, as pyruhvro reads it."""
    head = [{"name": _HEAD[0], "type": "boolean"}, {"name": _HEAD[1], "type": "float"}]
    return json.dumps({**schema, "fields": [*head, *schema["fields"]]})


def empty_batch(layout: pa.Schema) -> pa.RecordBatch:
    """A batch of no rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in layout], schema=layout)


def check_layout(batch: pa.RecordBatch, layout: pa.Schema) -> None:
    """PermanentError, naming the first field that differs, unless the batch's names and types are the layout's."""
    if batch.schema.names != layout.names:
        raise PermanentError(Text("the batch does not have the schema's fields in order.", "批次的字段与模式不一致。"))
    for have, want in zip(batch.schema, layout, strict=True):
        if have.type != want.type:
            raise PermanentError(
                Text("the column has another type than the schema.", "列类型与模式不一致。"), where=have.name
            )


def null_refused(field: str) -> PermanentError:
    """The error for a null where the schema allows none."""
    return PermanentError(Text("null where the schema allows none.", "模式不允许空值。"), where=field)


def _offsets(array: Any) -> npt.NDArray[np.int32]:
    return np.frombuffer(array.buffers()[1], "<i4", len(array) + 1, array.offset * 4)


def _same_bytes(array: Any, values: list[bytes]) -> bool:
    """Whether the encoded values are the given ones, byte for byte."""
    offsets = _offsets(array)
    lengths = np.fromiter(map(len, values), np.int32, len(values))
    if not np.array_equal(np.diff(offsets), lengths):
        return False
    start, end = int(offsets[0]), int(offsets[-1])
    return bool(array.buffers()[2].slice(start, end - start).equals(pa.py_buffer(b"".join(values))))
