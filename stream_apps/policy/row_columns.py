"""Typed rows (as `rows.typed_row` gives them) -> Arrow columns, also of the types pyarrow builds none of itself."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pyarrow as pa

from stream_apps.policy.rows import Branch


def column(values: list[Any], layout: Any) -> Any:
    """The column of `layout` that holds `values`; None stands for null. Raises what pyarrow raises if one does not fit."""
    if pa.types.is_union(layout):
        return _union(values, layout)
    if pa.types.is_struct(layout):
        parts = [column([None if v is None else v[f.name] for v in values], f.type) for f in layout]
        return pa.StructArray.from_arrays(parts, fields=list(layout), mask=_absent(values))
    if pa.types.is_map(layout):
        keys = pa.array([k for v in values if v is not None for k in v], layout.key_type)
        items = column([x for v in values if v is not None for x in v.values()], layout.item_type)
        maps: Any = pa.MapArray
        return maps.from_arrays(_offsets(values), keys, items, type=layout, mask=_absent(values))
    if pa.types.is_list(layout):
        flat = column([x for v in values if v is not None for x in v], layout.value_type)
        return pa.ListArray.from_arrays(_offsets(values), flat, type=layout, mask=_absent(values))
    return pa.array(values, layout)


def _union(values: list[Any], layout: Any) -> Any:
    fields = [layout.field(i) for i in range(layout.num_fields)]
    null = next((i for i, f in enumerate(fields) if pa.types.is_null(f.type)), 0)
    taken = [v if isinstance(v, Branch) else Branch(null, None) for v in values]
    parts = [column([v.value if v.place == i else None for v in taken], f.type) for i, f in enumerate(fields)]
    places: Any = pa.array([v.place for v in taken], pa.int8())
    return pa.UnionArray.from_sparse(places, parts, [f.name for f in fields])


def _offsets(values: list[Any]) -> Any:
    return pa.array(accumulate((0 if v is None else len(v) for v in values), initial=0), pa.int32())


def _absent(values: list[Any]) -> Any:
    return pa.array([v is None for v in values], pa.bool_())
