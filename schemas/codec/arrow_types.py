"""The one mapping from Avro types to Arrow types; both codecs produce and accept exactly this.

Where pyruhvro knows the type the mapping is pyruhvro's, so that its batches need no conversion: an enum is its symbol as
a string; dates are date32; timestamps have no zone (they are UTC; local timestamps are wall-clock times); a union of
null and T is a nullable T; any other union is a sparse union. Whatever lies under something nullable or in a list is
nullable for Arrow; Avro's own rules are checked when a batch is encoded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.avro_types import AvroType
from schemas.codec.avro_tree import expand, option

_PLAIN: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_LOGICAL: dict[tuple[str, str], pa.DataType] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("ms"),
    ("long", "timestamp-micros"): pa.timestamp("us"),
    ("long", "local-timestamp-millis"): pa.timestamp("ms"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
}
_BRANCH_NAMES = {
    "boolean": "bit",
    "long": "bigint",
    "float": "float4",
    "double": "float8",
    "string": "varchar",
    "bytes": "varbinary",
    "record": "struct",
    "array": "list",
}
_LOGICAL_NAMES = {"date": "dateday", "timestamp-millis": "timestampmilli", "timestamp-micros": "timestampmicro"}
MAX_DECIMAL = 76
"""Digits Arrow's widest decimal holds."""


def arrow_type(avro: AvroType) -> pa.DataType:
    """Arrow type of an Avro type. ConfigError for a recursive schema or an unknown name."""
    tree = expand(avro)
    inner = option(tree)
    return _type(tree if inner is None else inner, loose=inner is not None)


def arrow_schema(record_schema: dict[str, Any]) -> pa.Schema:
    """Layout of a batch of a record's values."""
    return pa.schema([_field(f["name"], f["type"], loose=False) for f in expand(record_schema)["fields"]])


def decimal_of(avro: AvroType) -> tuple[int, int] | None:
    """Precision and scale, if the type is a decimal Arrow can hold."""
    if not isinstance(avro, dict) or avro.get("logicalType") != "decimal" or avro["type"] not in ("bytes", "fixed"):
        return None
    precision, scale = int(avro.get("precision", 0)), int(avro.get("scale", 0))
    return (precision, scale) if 0 < precision <= MAX_DECIMAL and 0 <= scale <= precision else None


def branch_codes(union: Any) -> npt.NDArray[np.int8]:
    """Which branch each entry of a sparse union takes (pyarrow's own `type_codes` forgets where a slice begins)."""
    return np.frombuffer(union.buffers()[1], np.int8, len(union), union.offset)


def _field(name: str, tree: Any, *, loose: bool) -> pa.Field[Any]:
    inner = option(tree)
    loose = loose or (isinstance(tree, list) and "null" in tree)
    layout = _type(tree if inner is None else inner, loose=loose)
    return pa.field(name, layout, nullable=loose or tree == "null")  # Arrow insists that what is always null may be


def _type(tree: Any, *, loose: bool) -> pa.DataType:
    if isinstance(tree, list):
        children = [pa.field(_branch_name(b), _type(b, loose=True)) for b in tree]
        return pa.sparse_union(children)
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        return pa.struct([_field(f["name"], f["type"], loose=loose) for f in tree["fields"]])
    if kind == "array":
        return pa.list_(_field("item", tree["items"], loose=True))
    if kind == "map":
        value: Any = _field("value", tree["values"], loose=False)
        map_type: pa.DataType = pa.map_(pa.string(), value)
        return map_type
    return _scalar(tree, kind)


def _scalar(tree: Any, kind: str) -> pa.DataType:
    digits = decimal_of(tree)
    if digits:
        return pa.decimal128(*digits) if digits[0] <= 38 else pa.decimal256(*digits)
    if isinstance(tree, dict) and (kind, tree.get("logicalType", "")) in _LOGICAL:
        return _LOGICAL[kind, tree["logicalType"]]
    return pa.binary(int(tree["size"])) if kind == "fixed" else _PLAIN[kind]


def _branch_name(tree: Any) -> str:
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "enum":
        return str(tree["name"])
    if isinstance(tree, dict) and tree.get("logicalType") in _LOGICAL_NAMES:
        return _LOGICAL_NAMES[tree["logicalType"]]
    return _BRANCH_NAMES.get(kind, kind)
