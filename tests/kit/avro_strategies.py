"""Hypothesis strategies: Avro record schemas and batches of values that fit them."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from schemas.codec.arrow_types import arrow_schema, decimal_of
from schemas.codec.avro_tree import expand, option
from schemas.codec.ranges import range_of
from schemas.codec.row_arrays import from_values

_NATIVE_SCALARS: list[Any] = [
    "boolean", "int", "long", "float", "double", "string",
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
]  # fmt: skip
_OTHER_SCALARS: list[Any] = [
    "bytes",
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 45, "scale": 5},
]
_INTS = {"int": 1 << 31, "long": 1 << 63}


def record_schemas(*, native: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Record schemas; with `native` only of types the columnar codec takes."""
    return st.composite(lambda draw: _Types(draw, native).record(3))()


class _Types:
    """Draws types; every named type of one schema gets a name of its own."""

    def __init__(self, draw: st.DrawFn, native: bool) -> None:
        self._draw = draw
        self._native = native
        self._names = 0

    def record(self, depth: int) -> dict[str, Any]:
        count = self._draw(st.integers(1, 4))
        fields = [{"name": f"f{i}", "type": self.type(depth - 1)} for i in range(count)]
        return {"type": "record", "name": self._fresh("R"), "fields": fields}

    def type(self, depth: int) -> Any:
        deep = ["scalar", "scalar", "option", "record", "array", "map", "union"]
        kind = self._draw(st.sampled_from(deep if depth > 0 else ["scalar", "option"]))
        return getattr(self, kind)(depth)

    def scalar(self, _: int) -> Any:
        others = [] if self._native else [*_OTHER_SCALARS, "fixed"]
        choice = self._draw(st.sampled_from([*_NATIVE_SCALARS, "enum", *others]))
        if choice == "enum":
            return {"type": "enum", "name": self._fresh("E"), "symbols": ["A", "B", "C"]}
        if choice == "fixed":
            decimal = {"logicalType": "decimal", "precision": 6, "scale": 3} if self._draw(st.booleans()) else {}
            return {"type": "fixed", "name": self._fresh("F"), "size": 4, **decimal}
        return choice

    def option(self, depth: int) -> Any:
        inner = self.type(depth - 1)
        return inner if isinstance(inner, list) else self._draw(st.permutations(["null", inner]))

    def array(self, depth: int) -> Any:
        return {"type": "array", "items": self.type(depth - 1)}

    def map(self, depth: int) -> Any:
        return {"type": "map", "values": self.type(depth - 1)}

    def union(self, _: int) -> Any:
        branches = ["null", "string", "long", "double", {"type": "array", "items": "int"}, self.record(1)]
        branches += [] if self._native else [{"type": "map", "values": "int"}]
        return self._draw(st.lists(st.sampled_from(branches), min_size=3, max_size=5, unique_by=str))

    def _fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"


def batches(schema: dict[str, Any], rows: int = 5) -> st.SearchStrategy[pa.RecordBatch]:
    """Batches of up to `rows` rows that fit the schema."""
    tree, layout = expand(schema), arrow_schema(schema)

    def build(rows: list[dict[str, Any]]) -> pa.RecordBatch:
        columns = [
            from_values([r[f["name"]] for r in rows], f["type"], have.type)
            for f, have in zip(tree["fields"], layout, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=layout)

    return st.lists(values(tree), min_size=1, max_size=rows).map(build)


def values(tree: Any) -> st.SearchStrategy[Any]:
    """Values of an expanded type, in the form `row_arrays.from_values` takes."""
    inner = option(tree)
    if inner is not None:
        present = values(inner)
        if isinstance(inner, dict) and inner["type"] == "record":
            present = present.map(lambda v: ("", v))
        return st.none() | present
    if isinstance(tree, list):
        return st.one_of(
            [values(b).map(lambda v, i=i: (f"U_{i}", {"v": v})) for i, b in enumerate(tree)]  # type: ignore[misc]
        )
    return _complex(tree) if isinstance(tree, dict) else _scalar(tree)


def _complex(tree: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind = tree["type"]
    if kind == "record":
        return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in tree["fields"]})
    if kind == "array":
        return st.lists(values(tree["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=3), values(tree["values"]), max_size=3)
    if kind == "enum":
        return st.sampled_from(tree["symbols"])
    digits = decimal_of(tree)
    if digits:
        limit = 10 ** digits[0] - 1
        size = tree.get("size")
        return st.integers(-limit, limit).map(lambda n: n.to_bytes(size or 20, "big", signed=True))
    if kind == "fixed":
        return st.binary(min_size=tree["size"], max_size=tree["size"])
    return _scalar(kind, tree.get("logicalType"))


def _scalar(kind: str, logical: str | None = None) -> st.SearchStrategy[Any]:
    limits = range_of({"type": kind, "logicalType": logical})
    if limits:
        return st.integers(*limits)
    if kind in _INTS:
        return st.integers(-_INTS[kind], _INTS[kind] - 1)
    if kind in ("float", "double"):
        return st.floats(width=32 if kind == "float" else 64).filter(lambda x: not math.isnan(x))
    simple: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "bytes": st.binary(max_size=6),
        "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    }
    return simple[kind]
