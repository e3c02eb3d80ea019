"""The schema fastavro sees: no logical types, fresh names, the branches of a wide union wrapped in records."""

from __future__ import annotations

from itertools import count
from typing import Any

from schemas.codec.avro_tree import option

WRAPPED = "v"
"""The one field of a wrapping record."""


def plain_schema(tree: Any) -> Any:
    """The same bytes as the expanded schema `tree`, read and written as plain Python values."""
    return _plain(tree, count())


def branch_name(fresh: str) -> int:
    """The branch a wrapping record stands for, from its name."""
    return int(fresh.rpartition("_")[2])


def _plain(tree: Any, fresh: count[int]) -> Any:
    if isinstance(tree, list):
        if option(tree) is not None:
            return [_plain(b, fresh) for b in tree]
        union = next(fresh)
        return [_wrapped(_plain(b, fresh), f"U{union}_{i}") for i, b in enumerate(tree)]
    if isinstance(tree, str):
        return tree
    kind = tree["type"]
    if kind == "array":
        return {"type": kind, "items": _plain(tree["items"], fresh)}
    if kind == "map":
        return {"type": kind, "values": _plain(tree["values"], fresh)}
    if kind == "record":
        fields = [{"name": f["name"], "type": _plain(f["type"], fresh)} for f in tree["fields"]]
        return {"type": kind, "name": f"R{next(fresh)}", "fields": fields}
    if kind in ("enum", "fixed"):
        body = {k: tree[k] for k in ("symbols", "size") if k in tree}
        return {"type": kind, "name": f"N{next(fresh)}", **body}
    return kind


def _wrapped(plain: Any, name: str) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": WRAPPED, "type": plain}]}
