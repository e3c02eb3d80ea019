"""Whether a batch keeps Avro's rules about nulls, which Arrow's flags do not tell and native code does not ask."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.codec.arrow_types import branch_codes
from schemas.codec.avro_tree import option


def misplaced_null(batch: pa.RecordBatch, tree: Any) -> str | None:
    """Path of a field that is null where the (expanded) record schema does not allow it; None if all is well."""
    for field, column in zip(tree["fields"], batch.columns, strict=True):
        found = _misplaced(column, field["type"], field["name"], None)
        if found is not None:
            return found
    return None


def _misplaced(array: Any, tree: Any, path: str, wanted: Any) -> str | None:
    """`wanted`: which entries count (a boolean array; None: all). Entries under a null parent do not."""
    inner = option(tree)
    if inner is None and array.type != pa.null() and not isinstance(tree, list) and array.null_count:
        missing = array.is_null()
        if pc.any(missing if wanted is None else pc.and_(missing, wanted)).as_py():
            return path
    if isinstance(tree, list) and inner is None:
        return _union(array, tree, path, wanted)
    return _below(array, tree if inner is None else inner, path, wanted)


def _below(array: Any, tree: Any, path: str, wanted: Any) -> str | None:
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        present = _present(array, wanted)
        for i, field in enumerate(tree["fields"]):
            found = _misplaced(array.field(i), field["type"], f"{path}.{field['name']}", present)
            if found is not None:
                return found
    elif kind == "array":
        return _misplaced(array.flatten(), tree["items"], f"{path}[]", None)
    elif kind == "map":
        entries = _map_entries(array)
        return _misplaced(entries, tree["values"], f"{path}[]", None)
    return None


def _present(array: Any, wanted: Any) -> Any:
    if not array.null_count:
        return wanted
    valid = array.is_valid()
    return valid if wanted is None else pc.and_(valid, wanted)


def _union(array: Any, tree: list[Any], path: str, wanted: Any) -> str | None:
    for i, branch in enumerate(tree):
        chosen = pa.array(branch_codes(array) == i)
        chosen = chosen if wanted is None else pc.and_(chosen, wanted)
        found = _misplaced(array.field(i), branch, path, chosen)
        if found is not None:
            return found
    return None


def _map_entries(array: Any) -> Any:
    """The values of the map entries its own window covers."""
    if len(array) == 0:
        return array.items.slice(0, 0)
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[len(array)].as_py()
    return array.items.slice(first, last - first)
