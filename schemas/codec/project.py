"""What another version of a contract wrote, laid out as the contract in force has it.

A field the writer lacks gets the contract's default, a field the contract no longer has is dropped, and a number is
widened where Avro promotes it. Entries for which none of this is possible are told apart, never guessed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.codec.arrow_types import arrow_schema
from schemas.codec.avro_tree import expand, option
from schemas.codec.defaults import default_value
from schemas.codec.model import BadValue, Decoded, Reason
from schemas.codec.row_arrays import from_values

Mask = npt.NDArray[np.bool_]
_PROMOTED = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
}


class Projection:
    """Lays batches of the `writer` record schema out as those of the `reader` record schema."""

    def __init__(self, writer: dict[str, Any], reader: dict[str, Any]) -> None:
        self._writer = expand(writer)
        self._reader = expand(reader)
        self._layout = arrow_schema(reader)

    def __call__(self, decoded: Decoded) -> Decoded:
        """The rows that fit; the others join the bad ones with `no_default`."""
        struct = pa.StructArray.from_arrays(decoded.batch.columns, fields=list(decoded.batch.schema))
        fitted, misfits = _record(struct, self._writer, self._reader, pa.struct(list(self._layout)))
        columns = [fitted.field(i) for i in range(len(self._layout))]
        batch = pa.RecordBatch.from_arrays(columns, schema=self._layout)
        if misfits is None or not misfits.any():
            return Decoded(batch, decoded.rows, decoded.bad)
        bad = [BadValue(int(i), Reason.NO_DEFAULT) for i in decoded.rows[misfits]]
        kept = batch.take(pa.array(np.flatnonzero(~misfits), pa.int64()))
        return Decoded(kept, decoded.rows[~misfits], sorted([*decoded.bad, *bad], key=lambda b: b.position))


def _fit(array: Any, writer: Any, reader: Any, layout: Any) -> tuple[Any, Mask | None]:
    """The array as `layout`, and which of its entries have no place there (None: all fit)."""
    if writer == reader and array.type == layout:
        return array, None
    have, want = option(writer), option(reader)
    missing = _bools(array.is_null()) if have is not None and want is None and array.null_count else None
    writer, reader = have or writer, want or reader
    if (
        writer == "null"
    ):  # and the reader's type is another: there is nothing to fit, and null only fits where it may be
        return pa.nulls(len(array), layout), None if want is not None else np.ones(len(array), np.bool_)
    fitted, misfits = _fit_present(array, writer, reader, layout)
    return fitted, _either(misfits, missing)


def _fit_present(array: Any, writer: Any, reader: Any, layout: Any) -> tuple[Any, Mask | None]:
    have, want = _kind(writer), _kind(reader)
    if have == want == "record":
        return _record(array, writer, reader, layout)
    if have == want == "array":
        items, misfits = _items(array, array.values, writer["items"], reader["items"], layout.value_type)
        return pa.ListArray.from_arrays(_rebased(array), items, type=layout, mask=_absent(array)), misfits
    if have == want == "map":
        items, misfits = _items(array, array.items, writer["values"], reader["values"], layout.item_type)
        keys = _window(array, array.keys)
        return pa.MapArray.from_arrays(_rebased(array), keys, items, type=layout, mask=_absent(array)), misfits
    if have == want == "enum":
        return array, _strangers(array, set(writer["symbols"]), reader["symbols"])
    if (have, want) in _PROMOTED and isinstance(writer, str) and isinstance(reader, str):
        return array.cast(layout, safe=False), None
    if have == want and _annotation(writer) == _annotation(reader) and array.type == layout and have != "union":
        return array, None
    return pa.nulls(len(array), layout), _bools(array.is_valid()) if have != "union" else np.ones(len(array), np.bool_)


def _record(array: Any, writer: Any, reader: Any, layout: Any) -> tuple[Any, Mask | None]:
    written = {f["name"]: (i, f["type"]) for i, f in enumerate(writer["fields"])}
    children, misfits = [], None
    for i, field in enumerate(reader["fields"]):
        child_layout = layout.field(i).type
        if field["name"] in written:
            at, tree = written[field["name"]]
            child, wrong = _fit(array.field(at), tree, field["type"], child_layout)
        elif "default" in field:
            child, wrong = _repeated(field, child_layout, len(array)), None
        else:
            child, wrong = pa.nulls(len(array), child_layout), np.ones(len(array), np.bool_)
        children.append(child)
        misfits = _either(misfits, wrong)
    if misfits is not None and array.null_count:
        misfits = misfits & _bools(array.is_valid())
    if not children:
        return pa.array([{}] * len(array), layout), misfits
    return pa.StructArray.from_arrays(children, fields=list(layout), mask=_absent(array)), misfits


def _items(array: Any, flat: Any, writer: Any, reader: Any, layout: Any) -> tuple[Any, Mask | None]:
    items, wrong = _fit(_window(array, flat), writer, reader, layout)
    if wrong is None:
        return items, None
    offsets = array.offsets.to_numpy()
    owners = np.repeat(np.arange(len(array)), np.diff(offsets))
    misfits = np.zeros(len(array), np.bool_)
    misfits[owners[wrong]] = True
    return items, misfits


def _window(array: Any, flat: Any) -> Any:
    """The part of a list's or map's flat values that its own offsets cover."""
    first, last = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
    return flat.slice(first, last - first)


def _rebased(array: Any) -> Any:
    return pc.subtract(array.offsets, array.offsets[0])


def _repeated(field: dict[str, Any], layout: pa.DataType, count: int) -> Any:
    one = from_values([default_value(field["default"], field["type"])], field["type"], layout)
    return one.take(pa.array(np.zeros(count, np.int64)))


def _strangers(array: Any, written: set[str], symbols: list[str]) -> Mask | None:
    if written <= set(symbols):
        return None
    return _bools(pc.and_(pc.invert(pc.is_in(array, pa.array(symbols))), array.is_valid()))


def _kind(tree: Any) -> str:
    return "union" if isinstance(tree, list) else tree if isinstance(tree, str) else str(tree["type"])


def _annotation(tree: Any) -> tuple[Any, ...]:
    return (
        tuple(tree.get(k) for k in ("logicalType", "precision", "scale", "size"))
        if isinstance(tree, dict)
        else (None,) * 4
    )


def _absent(array: Any) -> Any:
    return array.is_null() if array.null_count else None


def _bools(array: Any) -> Mask:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)


def _either(a: Mask | None, b: Mask | None) -> Mask | None:
    return b if a is None else a if b is None else a | b
