"""What of Avro a contract may use, and why not the rest.

A contract's row must have a bounded size in memory for a bounded size on the wire, or one hostile record could turn
bytes into gigabytes before anything has judged it. So recursion, items that take no bytes, and absurd sizes are refused
when the contract is read, not when data flows.
"""

from __future__ import annotations

import re
from typing import Any

from fastavro.schema import SchemaParseException, parse_schema

from schemas.errors import ConfigError
from schemas.text import Text

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
        raise _refused(where, f"nested deeper than {MAX_DEPTH} levels.", f"嵌套超过 {MAX_DEPTH} 层。")
    if isinstance(avro, list):
        if not avro or any(isinstance(branch, list) for branch in avro):
            raise _refused(
                where, "a union lists types, and no union among them.", "union 须列出类型, 且其中不含 union。"
            )
        for branch in avro:
            _check(branch, where, depth + 1, seen)
    elif isinstance(avro, str):
        if avro not in _PRIMITIVES:
            raise _refused(
                where,
                f"type '{avro}' is unknown, or refers to a type by name; write the type out in place.",
                f"类型 '{avro}' 未知或按名引用; 请在原处写出完整类型。",
            )
    elif isinstance(avro, dict):
        _check_object(avro, where, depth, seen)
    else:
        raise _refused(where, "a type is a name, an object or a list of types.", "类型须为名称、对象或列表。")


def _check_object(avro: dict[str, Any], where: str, depth: int, seen: set[str]) -> None:
    kind = avro.get("type")
    if not isinstance(kind, str):
        _check(kind, where, depth + 1, seen)
        return
    if kind in _NAMED:
        _check_name(avro.get("name"), where, seen)
    if kind == "record":
        _check_fields(avro.get("fields"), where, depth, seen)
    elif kind in ("array", "map"):
        items = avro.get("items" if kind == "array" else "values")
        _check(items, f"{where}[]", depth + 1, seen)
        if kind == "array" and least_bytes(items) == 0:  # type: ignore[arg-type]
            raise _refused(where, "array items that may take no bytes are refused.", "不允许占零字节的数组元素。")
    elif kind == "fixed":
        _check_size(avro.get("size"), where)
    elif kind == "enum":
        _check_symbols(avro.get("symbols"), where)
    elif kind not in _PRIMITIVES:
        raise _refused(where, f"type '{kind}' is unknown.", f"类型 '{kind}' 未知。")
    if avro.get("logicalType") == "decimal":
        _check_decimal(avro.get("precision"), avro.get("scale", 0), where)


def _check_size(size: Any, where: str) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_FIXED:
        raise _refused(where, f"a fixed has a size of 1 to {MAX_FIXED}.", f"fixed 的 size 须为 1 到 {MAX_FIXED}。")


def _check_symbols(symbols: Any, where: str) -> None:
    if (
        not isinstance(symbols, list)
        or not all(isinstance(s, str) for s in symbols)
        or len(set(symbols)) != len(symbols)
        or not symbols
    ):
        raise _refused(
            where,
            "an enum lists its symbols, each once.",
            "enum 须列出 symbols, 且各不相同。",
        )


def _check_decimal(precision: Any, scale: Any, where: str) -> None:
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (precision, scale))
    if not whole or not precision > 0 or not 0 <= scale <= precision:
        raise _refused(
            where,
            "a decimal has a precision of at least 1 and a scale of 0 to the precision.",
            "decimal 的 precision 须不小于 1, scale 须为 0 到 precision。",
        )


def _check_name(name: Any, where: str, seen: set[str]) -> None:
    if not isinstance(name, str):
        raise _refused(where, "a record, enum or fixed has a name.", "record、enum、fixed 须有名称。")
    if name in seen:
        raise _refused(where, f"the type name '{name}' is used twice.", f"类型名 '{name}' 重复。")
    seen.add(name)


def _check_fields(fields: Any, where: str, depth: int, seen: set[str]) -> None:
    if not isinstance(fields, list) or not all(isinstance(f, dict) and "type" in f for f in fields):
        raise _refused(
            where, "a record has a list of fields with a type each.", "record 须有 fields, 每个字段须有类型。"
        )
    if len(fields) > MAX_FIELDS:
        raise _refused(where, f"more than {MAX_FIELDS} fields.", f"字段超过 {MAX_FIELDS} 个。")
    for f in fields:
        _check(f["type"], f"{where}.{f.get('name')}", depth + 1, seen)


_NAMED = frozenset({"record", "enum", "fixed"})
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def check_avro(schema: dict[str, Any], where: str, *, most: int = MAX_ROW_TYPES) -> None:
    """ConfigError, with the place, if `schema` is not valid Avro (fastavro's judgement) or holds more than `most` types."""
    if _count(schema, most) > most:
        raise _refused(where, f"more than {most} types.", f"类型超过 {most} 个。")
    try:
        parse_schema(schema, _force=True)
    except (SchemaParseException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(where, f"not valid Avro: {error}.", f"不是有效的 Avro 模式: {error}。") from error


def _count(avro: Any, most: int) -> int:
    """How many types there are, as written; stops counting beyond `most`."""
    found, waiting = 0, [avro]
    while waiting and found <= most:
        at = waiting.pop()
        found += 1
        if isinstance(at, list):
            waiting += at
        elif isinstance(at, dict):
            fields = at.get("fields")
            members = [f.get("type") for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
            waiting += [*members, *(at[k] for k in ("items", "values") if k in at)]
            if not isinstance(at.get("type"), str):
                waiting.append(at.get("type"))
    return found


def _refused(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where)
