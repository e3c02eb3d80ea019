"""An Avro schema as a tree without references: every named type written out where it is used, annotations dropped.

Avro bytes carry no names, so the tree reads and writes the same bytes as the schema it came from.
"""

from __future__ import annotations

from typing import Any

from schemas.avro_types import MAX_DEPTH, AvroType
from schemas.errors import ConfigError
from schemas.text import Text

_KEPT = (
    "type",
    "name",
    "namespace",
    "fields",
    "symbols",
    "size",
    "items",
    "values",
    "logicalType",
    "precision",
    "scale",
)
_NAMED = ("record", "enum", "fixed")
_LIMIT = 4 * MAX_DEPTH
MAX_TYPES = 20_000
"""Types of one schema with every reference written out."""


def expand(schema: AvroType) -> Any:
    """The schema with references replaced by what they name. ConfigError for recursion, unknown names, and references
    that multiply beyond measure."""
    tree = _expand(schema, {}, "", 0)
    if _size(tree, MAX_TYPES) > MAX_TYPES:
        raise ConfigError(Text(f"more than {MAX_TYPES} types once written out.", f"展开后类型超过 {MAX_TYPES} 个。"))
    return tree


def unwrapped(avro: AvroType) -> AvroType:
    """`{"type": X}` with nothing else to say, as X."""
    while isinstance(avro, dict) and not isinstance(avro["type"], str):
        avro = avro["type"]
    return avro


def option(avro: AvroType) -> AvroType | None:
    """T, if the (expanded) type is a union of exactly null and T: what Arrow calls a nullable T."""
    if isinstance(avro, list) and len(avro) == 2 and "null" in avro:
        inner: AvroType = avro[1] if avro[0] == "null" else avro[0]
        return inner
    return None


def _expand(avro: AvroType, known: dict[str, Any], namespace: str, depth: int) -> Any:
    avro = unwrapped(avro)
    if depth > _LIMIT:
        raise ConfigError(Text("a type refers to itself, or is nested too deeply.", "类型递归或嵌套过深。"))
    if isinstance(avro, list):
        return [_expand(b, known, namespace, depth + 1) for b in avro]
    if isinstance(avro, str):
        if avro in _PRIMITIVES:
            return avro
        found = known.get(avro if "." in avro or not namespace else f"{namespace}.{avro}", known.get(avro))
        if found is None:
            raise ConfigError(Text(f"the type '{avro}' is not defined.", f"类型 '{avro}' 未定义。"))
        return found
    return _expand_complex({k: avro[k] for k in _KEPT if k in avro}, known, namespace, depth)


def _expand_complex(avro: dict[str, Any], known: dict[str, Any], namespace: str, depth: int) -> Any:
    kind = avro["type"]
    if kind in _PRIMITIVES:
        return avro if "logicalType" in avro else kind
    if kind == "array":
        return {"type": kind, "items": _expand(avro["items"], known, namespace, depth + 1)}
    if kind == "map":
        return {"type": kind, "values": _expand(avro["values"], known, namespace, depth + 1)}
    if kind not in _NAMED:
        return _expand(kind, known, namespace, depth + 1)
    space = avro.pop("namespace", namespace)
    full = avro["name"] if "." in avro["name"] or not space else f"{space}.{avro['name']}"
    space = full.rpartition(".")[0]
    out = {**avro, "name": full}
    if kind == "record":
        out["fields"] = [_field(f, _expand(f["type"], known, space, depth + 1)) for f in avro["fields"]]
    known[full] = out
    return out


def _size(tree: Any, limit: int) -> int:
    """How many types the tree holds; stops counting beyond `limit`."""
    if isinstance(tree, str):
        return 1
    below = tree if isinstance(tree, list) else [f["type"] for f in tree.get("fields", [])]
    below = [*below, *(tree[k] for k in ("items", "values") if k in tree)] if isinstance(tree, dict) else below
    total = 1
    for child in below:
        total += _size(child, limit - total)
        if total > limit:
            break
    return total


def _field(field: dict[str, Any], tree: Any) -> dict[str, Any]:
    return {"name": field["name"], "type": tree, **({"default": field["default"]} if "default" in field else {})}


_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
