"""What of Avro a contract may use, and why not the rest.

A contract's row must have a bounded size in memory for a bounded size on the wire, or one hostile record could turn
bytes into gigabytes before anything has judged it. So recursion, items that take no bytes, and absurd sizes are refused
when the contract is read, not when data flows.
"""

from __future__ import annotations

from typing import Any

from fastavro.schema import SchemaParseException, parse_schema

from schemas.errors import ConfigError
from schemas.text import Text

AvroType = str | list[Any] | dict[str, Any]
"""Avro type as its JSON declares it."""

MAX_DEPTH = 8
MAX_FIELDS = 500
KEY_TYPES = frozenset({"string", "int", "long"})
KEY_LOGICAL_TYPES = frozenset({"date"})


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


def check_type(avro: AvroType, where: str, *, depth: int = 0, seen: set[str] | None = None) -> None:
    """ConfigError, with the place, for what a contract may not use: recursion, references, zero-byte items, depth."""
    seen = set() if seen is None else seen
    if depth > MAX_DEPTH:
        raise _refused(where, f"nested deeper than {MAX_DEPTH} levels.", f"嵌套超过 {MAX_DEPTH} 层。")
    if isinstance(avro, list):
        for branch in avro:
            check_type(branch, where, depth=depth + 1, seen=seen)
        return
    if isinstance(avro, str):
        if avro not in _PRIMITIVES:
            raise _refused(
                where,
                f"type '{avro}' is unknown, or refers to a type by name; write the type out in place.",
                f"类型 '{avro}' 未知或按名引用; 请在原处写出完整类型。",
            )
        return
    kind = avro.get("type")
    if not isinstance(kind, str):
        check_type(kind or {}, where, depth=depth + 1, seen=seen)
        return
    if kind in ("record", "enum", "fixed"):
        name = str(avro.get("name"))
        if name in seen:
            raise _refused(where, f"the type name '{name}' is used twice.", f"类型名 '{name}' 重复。")
        seen.add(name)
    if kind == "record":
        fields = avro.get("fields", [])
        if len(fields) > MAX_FIELDS:
            raise _refused(where, f"more than {MAX_FIELDS} fields.", f"字段超过 {MAX_FIELDS} 个。")
        for f in fields:
            check_type(f["type"], f"{where}.{f.get('name')}", depth=depth + 1, seen=seen)
    elif kind in ("array", "map"):
        items = avro["items"] if kind == "array" else avro["values"]
        check_type(items, f"{where}[]", depth=depth + 1, seen=seen)
        if kind == "array" and least_bytes(items) == 0:
            raise _refused(where, "array items that may take no bytes are refused.", "不允许占零字节的数组元素。")
    elif kind not in _PRIMITIVES and kind not in ("enum", "fixed"):
        raise _refused(where, f"type '{kind}' is unknown.", f"类型 '{kind}' 未知。")


_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def check_avro(schema: dict[str, Any], where: str) -> None:
    """ConfigError if `schema` is not valid Avro (fastavro's judgement), with the place."""
    try:
        parse_schema(schema, _force=True)
    except (SchemaParseException, ValueError, KeyError, TypeError) as error:
        raise _refused(where, f"not valid Avro: {error}.", f"不是有效的 Avro 模式: {error}。") from error


def _refused(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where)
