"""What of Avro a contract may use, and why not the rest.

A contract's row must have a bounded size in memory for a bounded size on the wire, or one hostile record could turn
bytes into gigabytes before anything has judged it. So recursion, items that take no bytes, and absurd sizes are refused
when the contract is read, not when data flows.
"""

from __future__ import annotations

import re
from typing import Any

from fastavro.schema import SchemaParseException, parse_schema

from schemas.avro_nodes import check_node, check_nodes, refused

AvroType = str | list[Any] | dict[str, Any]
"""Avro type as its JSON declares it."""

AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
"""What Avro allows as the name of a field or a symbol."""

MAX_DEPTH = 8
MAX_FIELDS = 500
MAX_FIXED = 1 << 16
"""Bytes of a fixed."""
MAX_ROW_TYPES = 9_000
"""Types of a contract's row; its change events hold two rows and a key, and no schema more than 20,000."""
KEY_TYPES = frozenset({"string", "int", "long"})
KEY_LOGICAL_TYPES = frozenset({"date"})


def unwrapped(avro: AvroType) -> AvroType:
    """The type without wrappings that say nothing: `{"type": "string"}` and `{"type": {"type": "int", …}}` are what is
    inside; also as a branch of a union."""
    if isinstance(avro, list):
        return [unwrapped(branch) if isinstance(branch, dict) else branch for branch in avro]
    while isinstance(avro, dict) and (set(avro) == {"type"} or isinstance(avro.get("type"), dict)):
        avro = avro["type"]
    return avro


def branches(avro: AvroType) -> list[AvroType]:
    """The branches of a union, or the one type as a list."""
    return avro if isinstance(avro, list) else [avro]


def is_nullable(avro: AvroType) -> bool:
    """Whether null is one of the type's values."""
    return "null" in branches(avro)


def without_null(avro: AvroType) -> AvroType:
    """The type less its null branch, if exactly one other branch remains; else the type itself."""
    rest = [b for b in branches(avro) if b != "null"]
    return rest[0] if len(rest) == 1 else avro


def nullable(avro: AvroType) -> AvroType:
    """The type with a null branch in front, if it has none."""
    return avro if is_nullable(avro) else ["null", *branches(avro)]


def primitive(avro: AvroType) -> str:
    """Name of the type without its annotations: `long` for `{"type": "long", "logicalType": "timestamp-millis"}`."""
    if isinstance(avro, dict):
        inner = avro["type"]
        return inner if isinstance(inner, str) else primitive(inner)
    return "union" if isinstance(avro, list) else avro


def logical(avro: AvroType) -> str | None:
    """The logical type of a (non-union) type."""
    return avro.get("logicalType") if isinstance(avro, dict) else None


def is_key_type(avro: AvroType) -> bool:
    """Whether a key field may have this type: never null, one spelling for one value."""
    lt = logical(avro)
    return primitive(avro) in KEY_TYPES and (lt is None or lt in KEY_LOGICAL_TYPES)


def least_bytes(avro: AvroType) -> int:
    """The fewest bytes a value of this type takes on the wire."""
    kind = primitive(avro)
    if kind == "null":
        return 0
    if kind == "record" and isinstance(avro, dict):
        return sum(least_bytes(f["type"]) for f in avro["fields"])
    if kind == "fixed" and isinstance(avro, dict):
        return int(avro["size"])
    return {"float": 4, "double": 8}.get(kind, 1)


def check_type(avro: Any, where: str) -> None:
    """ConfigError, with the place, for what a contract may not use: recursion, references, zero-byte items, depth."""
    _check(avro, where, 0, set())


def _check(avro: Any, where: str, depth: int, seen: set[str]) -> None:
    if depth > MAX_DEPTH:
        raise refused(where, f"nested deeper than {MAX_DEPTH} levels.", f"嵌套超过 {MAX_DEPTH} 层。")
    below = check_node(avro, where)
    if isinstance(avro, str) and avro not in _PRIMITIVES:
        raise refused(
            where,
            f"type '{avro}' is unknown, or refers to a type by name; write the type out in place.",
            f"类型 '{avro}' 未知或按名引用; 请在原处写出完整类型。",
        )
    if isinstance(avro, dict) and isinstance(avro.get("type"), str):
        _check_object(avro, where, depth, seen)
    else:
        for inner in below:
            _check(inner, where, depth + 1, seen)


def _check_object(avro: dict[str, Any], where: str, depth: int, seen: set[str]) -> None:
    kind = avro["type"]
    if kind in _NAMED:
        if avro["name"] in seen:
            raise refused(where, f"the type name '{avro['name']}' is used twice.", f"类型名 '{avro['name']}' 重复。")
        seen.add(avro["name"])
    if kind == "record":
        if len(avro["fields"]) > MAX_FIELDS:
            raise refused(where, f"more than {MAX_FIELDS} fields.", f"字段超过 {MAX_FIELDS} 个。")
        for field in avro["fields"]:
            _check(field["type"], f"{where}.{field['name']}", depth + 1, seen)
    elif kind in ("array", "map"):
        items = avro.get("items" if kind == "array" else "values")
        _check(items, f"{where}[]", depth + 1, seen)
        if kind == "array" and least_bytes(items) == 0:  # type: ignore[arg-type]
            raise refused(where, "array items that may take no bytes are refused.", "不允许占零字节的数组元素。")
    elif kind == "fixed" and avro["size"] > MAX_FIXED:
        raise refused(where, f"a fixed has a size of 1 to {MAX_FIXED}.", f"fixed 的 size 须为 1 到 {MAX_FIXED}。")
    elif kind not in _PRIMITIVES and kind not in _NAMED:
        raise refused(where, f"type '{kind}' is unknown.", f"类型 '{kind}' 未知。")


_NAMED = frozenset({"record", "enum", "fixed"})
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def check_avro(schema: dict[str, Any], where: str, *, most: int = MAX_ROW_TYPES) -> None:
    """ConfigError if `schema` is not valid Avro (fastavro's judgement, and ours of what it does not ask), or holds more
    than `most` types."""
    check_nodes(schema, where, most)
    try:
        parse_schema(schema, _force=True)
    except (SchemaParseException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise refused(where, f"not valid Avro: {error}.", f"不是有效的 Avro 模式: {error}。") from error
