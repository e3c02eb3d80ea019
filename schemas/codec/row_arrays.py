"""Plain Python values (as `row_schema` has fastavro read and write them) <-> Arrow arrays, type by type."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from itertools import accumulate
from typing import Any

import pyarrow as pa

from schemas.codec.arrow_types import branch_codes, decimal_of
from schemas.codec.avro_tree import option
from schemas.codec.row_schema import WRAPPED, branch_name

_EXACT = Context(prec=200)
_RAW = {pa.date32(): pa.int32(), pa.time32("ms"): pa.int32(), pa.time64("us"): pa.int64()}


def from_values(values: list[Any], tree: Any, layout: Any) -> Any:
    """An array of `layout` from what fastavro read for the (expanded) type `tree`. None stands for null."""
    inner = option(tree)
    if inner is not None:
        tree = inner
        if isinstance(tree, dict) and tree["type"] == "record":
            values = [v if v is None else v[1] for v in values]  # fastavro names the branch of a union that is a record
    if isinstance(tree, list):
        return _from_union(values, tree, layout)
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        return _from_records(values, tree, layout)
    if kind == "array":
        flat = [item for value in values if value is not None for item in value]
        items = from_values(flat, tree["items"], layout.value_type)
        return pa.ListArray.from_arrays(_offsets(values), items, type=layout, mask=_absent(values))
    if kind == "map":
        return _from_maps(values, tree, layout)
    return _from_scalars(values, tree, layout)


def to_values(array: Any, tree: Any, plain: Any) -> list[Any]:
    """What fastavro writes for each entry of an array of the (expanded) type `tree`; `plain`: the same in its schema."""
    inner = option(tree)
    if inner is not None:
        first = 0 if tree[1] == "null" else 1
        return to_values(array, inner, plain[first])
    if isinstance(tree, list):
        return _to_union(array, tree, plain)
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        return _to_records(array, tree, plain)
    if kind == "array":
        items = to_values(array.values, tree["items"], plain["items"])
        return _windows(array, lambda a, b: items[a:b])
    if kind == "map":
        keys, found = array.keys.to_pylist(), to_values(array.items, tree["values"], plain["values"])
        return _windows(array, lambda a, b: dict(zip(keys[a:b], found[a:b], strict=True)))
    return _to_scalars(array, tree)


def _offsets(values: list[Any]) -> Any:
    sizes = (0 if value is None else len(value) for value in values)
    return pa.array(accumulate(sizes, initial=0), pa.int32())


def _absent(values: list[Any]) -> Any:
    return pa.array([v is None for v in values]) if any(v is None for v in values) else None


def _from_records(values: list[Any], tree: Any, layout: Any) -> Any:
    children = [
        from_values([None if v is None else v[f["name"]] for v in values], f["type"], layout.field(i).type)
        for i, f in enumerate(tree["fields"])
    ]
    if not children:
        return pa.array([None if v is None else {} for v in values], layout)
    return pa.StructArray.from_arrays(children, fields=list(layout), mask=_absent(values))


def _from_maps(values: list[Any], tree: Any, layout: Any) -> Any:
    keys: Any = pa.array([key for value in values if value is not None for key in value], pa.string())
    flat = [item for value in values if value is not None for item in value.values()]
    items = from_values(flat, tree["values"], layout.item_type)
    return pa.MapArray.from_arrays(_offsets(values), keys, items, type=layout, mask=_absent(values))


def _from_union(values: list[Any], tree: list[Any], layout: Any) -> Any:
    codes = [0 if v is None else branch_name(v[0]) for v in values]
    children = []
    for i, branch in enumerate(tree):
        mine = [v[1][WRAPPED] if v is not None and code == i else None for v, code in zip(values, codes, strict=True)]
        children.append(from_values(mine, branch, layout.field(i).type))
    names = [layout.field(i).name for i in range(layout.num_fields)]
    return pa.UnionArray.from_sparse(pa.array(codes, pa.int8()), children, names)


def _from_scalars(values: list[Any], tree: Any, layout: pa.DataType) -> Any:
    digits = decimal_of(tree)
    if digits:
        return pa.array([None if v is None else _decimal(v, digits[1]) for v in values], layout)
    raw = _raw(layout)
    return pa.array(values, layout) if raw is None else pa.array(values, raw).view(layout)


def _to_scalars(array: Any, tree: Any) -> list[Any]:
    digits = decimal_of(tree)
    if digits:
        size = tree.get("size")
        return [None if v is None else _unscaled(v, digits[1], size) for v in array.to_pylist()]
    raw = _raw(array.type)
    return list((array if raw is None else array.view(raw)).to_pylist())


def _to_records(array: Any, tree: Any, plain: Any) -> list[Any]:
    names = [f["name"] for f in tree["fields"]]
    columns = [to_values(array.field(i), f["type"], plain["fields"][i]["type"]) for i, f in enumerate(tree["fields"])]
    rows: Any = zip(*columns, strict=True) if columns else ((),) * len(array)
    valid = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if ok else None for row, ok in zip(rows, valid, strict=True)]


def _to_union(array: Any, tree: list[Any], plain: list[Any]) -> list[Any]:
    columns = [to_values(array.field(i), branch, plain[i]["fields"][0]["type"]) for i, branch in enumerate(tree)]
    codes = branch_codes(array).tolist()
    return [(plain[code]["name"], {WRAPPED: columns[code][row]}) for row, code in enumerate(codes)]


def _windows(array: Any, window: Callable[[int, int], Any]) -> list[Any]:
    offsets, valid = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return [window(a, b) if ok else None for a, b, ok in zip(offsets[:-1], offsets[1:], valid, strict=True)]


def _raw(layout: pa.DataType) -> pa.DataType | None:
    return pa.int64() if pa.types.is_timestamp(layout) else _RAW.get(layout)


def _decimal(unscaled: bytes, scale: int) -> Decimal:
    return Decimal(int.from_bytes(unscaled, "big", signed=True)).scaleb(-scale, _EXACT)


def _unscaled(value: Decimal, scale: int, size: int | None) -> bytes:
    number = int(value.scaleb(scale, _EXACT))
    width = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(size or width, "big", signed=True)
